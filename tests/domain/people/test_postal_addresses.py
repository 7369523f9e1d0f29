"""The postal address of a person: what its trait must have, and what two spellings of one have in common."""

from typing import Any

import pytest

from domain.people.postal_addresses import (
    EnvelopeAddress,
    decode_postal_address,
    find_postal_address,
    normalize_postal_address,
)

NEW_YORK = {"street": "1 Harbour Street", "city": "New York", "state": "NY", "postalCode": "10001", "country": "US"}
BERLIN = {"street": "Torstraße 1", "city": "Berlin", "postalCode": 10119, "country": "de"}


def traits(address: Any, **more: Any) -> dict[str, Any]:
    return {"address": address, "first_name": "Ada", "last_name": "Lovelace"} | more


def test_the_trait_of_segments_specification_is_read() -> None:
    found = find_postal_address(traits(BERLIN))
    assert found == EnvelopeAddress("Ada Lovelace", "Torstraße 1", "DE", city="Berlin", zip="10119")
    assert decode_postal_address(found.encode()) == found


@pytest.mark.parametrize("names", [("line1", "zip"), ("street", "postal_code"), ("line1", "postalCode")])
def test_a_part_may_have_the_name_of_the_services_that_print(names: tuple[str, str]) -> None:
    line1, zip = names
    found = find_postal_address(
        traits({line1: " 1  Harbour\nStreet", zip: "SW1A 1AA", "country": "GB", "line2": "B 2"})
    )
    assert found == EnvelopeAddress("Ada Lovelace", "1 Harbour Street", "GB", line2="B 2", zip="SW1A 1AA")


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"name": "Countess Ada"}, "Countess Ada"),
        ({"first_name": None, "firstName": "Augusta"}, "Augusta Lovelace"),
        ({"first_name": 7}, "7 Lovelace"),
    ],
)
def test_the_envelope_has_the_name_of_the_person(more: dict[str, Any], name: str) -> None:
    found = find_postal_address(traits(NEW_YORK, **more))
    assert isinstance(found, EnvelopeAddress)
    assert found.name == name


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (None, "no trait address"),
        ("1 Harbour Street, New York", "no trait address"),
        ({}, "no street"),
        ({**NEW_YORK, "street": ["1"]}, "no street"),
        ({**NEW_YORK, "country": "USA"}, "code of two letters"),
        ({**NEW_YORK, "country": "ÜS"}, "code of two letters"),
        ({**NEW_YORK, "state": "New York"}, "state of two letters"),
        ({**NEW_YORK, "postalCode": "1001"}, "ZIP"),
        ({**NEW_YORK, "city": None}, "a city"),
        ({"street": "Torstraße 1", "country": "DE", "city": "Berlin"}, "postalCode"),
    ],
)
def test_an_address_that_no_carrier_finds_is_none(address: Any, why: str) -> None:
    found = find_postal_address(traits(address))
    assert isinstance(found, str)
    assert why in found
    assert "Torstraße" not in found


def test_an_envelope_needs_a_name() -> None:
    assert find_postal_address({"address": BERLIN}) == (
        "the profile has no trait name, nor first_name and last_name, for the envelope"
    )


def test_two_spellings_of_an_address_have_one_key() -> None:
    key = normalize_postal_address(traits(NEW_YORK))
    other = {"line1": " 1 HARBOUR street ", "city": "new york", "state": "ny", "zip": "100 01", "country": "us"}
    assert normalize_postal_address({"address": other}) == key
    assert normalize_postal_address(traits({**NEW_YORK, "street": "2 Harbour Street"})) != key


@pytest.mark.parametrize("address", [None, 7, {}, {"street": "a"}])
def test_what_is_no_address_has_no_key(address: Any) -> None:
    assert normalize_postal_address({"address": address}) is None


def test_a_key_is_bounded() -> None:
    parts = dict.fromkeys(("street", "line2", "city", "state", "postalCode", "country"), "x" * 1_000)
    assert normalize_postal_address({"address": parts}) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", "ana@example.com", '{"name": 3}'])
def test_another_text_is_no_address(text: str) -> None:
    assert decode_postal_address(text) is None
