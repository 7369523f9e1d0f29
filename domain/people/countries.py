"""The country of a person, as their traits say it."""

from collections.abc import Mapping
from typing import Any, Final

# The traits that say a person's country.
COUNTRY_TRAITS: Final = frozenset({"country", "address"})


def country_of(traits: Mapping[str, Any]) -> str | None:
    """Return the country of a person as ISO 3166 has it: `DE`; None if none is known.

    The trait `country` says it, else the `country` of the trait `address`, which Segment's spec reserves.
    """
    address = traits.get("address")
    for value in (traits.get("country"), address.get("country") if isinstance(address, Mapping) else None):
        if isinstance(value, str) and len(code := value.strip().upper()) == 2 and code.isascii() and code.isalpha():
            return "GB" if code == "UK" else code
    return None
