"""Phone numbers: what is one, where it is, and what a channel makes of a person's."""

from typing import Any

import pytest

from domain.channels.kind import Unreachable
from domain.channels.kinds import CHANNELS, normalized_addresses
from domain.people.phone_numbers import find_zones, parse_phone


@pytest.mark.parametrize(
    ("text", "country", "e164", "region"),
    [
        ("+49 151 12345678", None, "+4915112345678", "DE"),
        ("+49 (0)151-1234 5678", None, "+4915112345678", "DE"),
        ("0151 12345678", "DE", "+4915112345678", "DE"),
        ("(212) 555-0123", "US", "+12125550123", "US"),
        ("+1 416 555 0123", "US", "+14165550123", "CA"),
        ("+44 7700 900123", None, "+447700900123", "GB"),
        ("06 12 34 56 78", "FR", "+33612345678", "FR"),
        ("+4915112345678", "US", "+4915112345678", "DE"),
    ],
)
def test_a_number_is_read(text: str, country: str | None, e164: str, region: str) -> None:
    number = parse_phone(text, country)
    assert number is not None
    assert (number.e164, number.region) == (e164, region)
    assert parse_phone(number.e164) == number


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("0151 12345678", None),
        ("112", "DE"),
        ("+49 151", None),
        ("+49 151 12345678 ext. 5", None),
        ("call me", "DE"),
        ("", "DE"),
        ("+", None),
        ("+999 1234567890", None),
        ("+4915112345678" + "0" * 40, None),
    ],
)
def test_other_texts_are_no_number(text: str, country: str | None) -> None:
    assert parse_phone(text, country) is None


def test_a_number_has_the_zones_in_which_it_is_assigned() -> None:
    assert find_zones("+12125550123") == ("America/New_York",)
    assert find_zones("+33612345678") == ("Europe/Paris",)
    assert "Australia/Perth" in find_zones("+61412345678")
    assert find_zones("+447700900123") == ()


def addresses(**traits: Any) -> tuple[str, ...] | Unreachable:
    return CHANNELS["sms"].addresses(traits)


def test_a_person_is_reached_at_the_number_of_their_country() -> None:
    assert addresses(phone="+49 151 12345678") == ("+4915112345678",)
    assert addresses(phone="0151 12345678", country="de") == ("+4915112345678",)
    assert addresses(phone="0151 12345678", address={"country": "DE"}) == ("+4915112345678",)
    found = normalized_addresses({"phone": "0151 12345678", "country": "DE"})
    assert found == dict.fromkeys(("sms", "whatsapp"), "+4915112345678")


@pytest.mark.parametrize("phone", ["0151 12345678", "none", 4915112345678, None, ""])
def test_a_person_without_a_number_is_not_reached(phone: Any) -> None:
    assert isinstance(addresses(phone=phone), Unreachable)
    assert normalized_addresses({"phone": phone}) == {}
