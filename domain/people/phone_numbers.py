"""Phone numbers: E.164, region and time zones, by the plans of libphonenumber."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import phonenumbers
from msgspec import Struct
from phonenumbers import timezone

from domain.people.countries import country_of

# E.164 has 15 digits; the rest is room for blanks, brackets and hyphens.
MAX_PHONE_CHARACTERS: Final = 40
# The zone of a geographic number without an entry.
_UNKNOWN_ZONE: Final = "Etc/Unknown"


class PhoneNumber(Struct, frozen=True):
    """A number in E.164, `+4915112345678`, and its region, `DE`; None if it has none."""

    e164: str
    region: str | None


@lru_cache(8_192)
def parse_phone(text: str, country: str | None = None) -> PhoneNumber | None:
    """Parse a number; None if it is none.

    One without a country code is read as `country` writes it. It has the length of a mobile number there; whether it is
    assigned is not judged, since new ranges come each month.
    """
    if len(text) > MAX_PHONE_CHARACTERS:
        return None
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    mobile = phonenumbers.PhoneNumberType.MOBILE
    if not phonenumbers.is_possible_number_for_type(number, mobile) or number.extension:
        return None
    region = phonenumbers.region_code_for_number(number)
    region = region or phonenumbers.region_code_for_country_code(number.country_code or 0)
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return PhoneNumber(written, region if len(region) == 2 and region.isalpha() else None)


def find_phone(traits: Mapping[str, Any]) -> PhoneNumber | None:
    """Return the number of the trait `phone`, in the country of the person; else None."""
    phone = traits.get("phone")
    return parse_phone(phone, country_of(traits)) if isinstance(phone, str) else None


@lru_cache(8_192)
def find_zones(e164: str) -> tuple[str, ...]:
    """Return the IANA zones in which a number is assigned; mobile ones may have many."""
    zones = timezone.time_zones_for_number(phonenumbers.parse(e164))
    return tuple(zone for zone in zones if zone != _UNKNOWN_ZONE)
