"""Postal addresses: the trait `address`, as Segment's specification has it."""

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, json

# The names of each part: those of Segment's specification, and those of the services that print.
_PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "line1": ("street", "line1"),
    "line2": ("line2",),
    "city": ("city",),
    "state": ("state",),
    "zip": ("postalCode", "postal_code", "zip"),
    "country": ("country",),
}
_MAX_PART: Final = 200
# USPS delivers by these alone.
_US_STATE: Final = re.compile(r"[A-Za-z]{2}")
_US_ZIP: Final = re.compile(r"[0-9]{5}(-[0-9]{4})?")
# An address is a key of an index, which holds 2.7 kB.
_MAX_KEY: Final = 500


class EnvelopeAddress(Struct, frozen=True, omit_defaults=True):
    """A postal address with the recipient's name; the country is its ISO 3166 code.

    `city` and `zip` are empty where the country has none.
    """

    name: str
    line1: str
    country: str
    line2: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""

    def encode(self) -> str:
        """Return it as one text, which `decode_postal_address` reads."""
        return json.encode(self).decode()


def decode_postal_address(text: str) -> EnvelopeAddress | None:
    """Return the address of a text; None if it is none."""
    try:
        return json.decode(text, type=EnvelopeAddress)
    except ValueError:
        return None


def find_postal_address(traits: Mapping[str, Any]) -> EnvelopeAddress | str:
    """Return a person's postal address, or why there is none."""
    parts = _read_parts(traits)
    if parts is None:
        return "the profile has no trait address with street, city, postalCode and country"
    country = parts["country"].upper()
    if not parts["line1"]:
        return "the trait address has no street"
    if not (len(country) == 2 and country.isascii() and country.isalpha()):
        return "the country of the trait address is not a code of two letters, as US"
    if country == "US" and not _is_complete_in_us(parts):
        return "the trait address needs a city, a state of two letters and a ZIP code, as New York, NY and 10001"
    if not parts["zip"] and not (parts["city"] and parts["state"]):
        return "the trait address has neither a postalCode nor a city with its state"
    name = _find_name(traits)
    if not name:
        return "the profile has no trait name, nor first_name and last_name, for the envelope"
    return EnvelopeAddress(name, **{**parts, "country": country})


def normalize_postal_address(traits: Mapping[str, Any]) -> str | None:
    """Return the key of a person's postal address; None without one."""
    parts = _read_parts(traits)
    if parts is None or not parts["line1"] or not parts["country"]:
        return None
    # The zip may be written with a blank or without.
    parts["zip"] = parts["zip"].replace(" ", "").replace("-", "")
    key = ", ".join(part.casefold() for part in parts.values() if part)
    return key if len(key) <= _MAX_KEY else None


def _read_parts(traits: Mapping[str, Any]) -> dict[str, str] | None:
    address = traits.get("address")
    if not isinstance(address, Mapping):
        return None
    return {
        part: next((text for name in names if (text := _read_text(address.get(name)))), "")
        for part, names in _PARTS.items()
    }


def _is_complete_in_us(parts: Mapping[str, str]) -> bool:
    return bool(parts["city"] and _US_STATE.fullmatch(parts["state"]) and _US_ZIP.fullmatch(parts["zip"]))


def _find_name(traits: Mapping[str, Any]) -> str:
    if name := _read_text(traits.get("name")):
        return name
    first, last = (
        next((text for name in names if (text := _read_text(traits.get(name)))), "")
        for names in (("first_name", "firstName"), ("last_name", "lastName"))
    )
    return f"{first} {last}".strip()


def _read_text(value: Any) -> str:
    """Return a text or a number on one line, bounded; empty for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return " ".join(value.replace("\0", "").split())[:_MAX_PART] if isinstance(value, str) else ""
