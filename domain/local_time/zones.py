"""Time zones by IANA name, and the choice of a recipient's zone."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from domain.blanks import strip_blanks

_UTC = ZoneInfo("UTC")


@cache
def zone_names() -> frozenset[str]:
    """List all names of the IANA database but `Factory`, which stands for none."""
    # `available_timezones` lists any file in the system's folder: on Debian also `localtime`.
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="ascii").split()) - {"Factory"}


def find_zone(name: object) -> ZoneInfo | None:
    """Return the zone of exactly this name; None if the value is not a zone's name."""
    return _zone(name) if isinstance(name, str) and name in zone_names() else None


def zone_name(name: object) -> str | None:
    """Return the IANA spelling of a zone's name in any letter case; None if unknown."""
    return _spellings().get(strip_blanks(name).casefold()) if isinstance(name, str) else None


def guess_zone(text: str) -> str | None:
    """Return the zone of a city's name, or the name closest to the text."""
    if any(character.isdigit() for character in text):
        # An offset is not a zone, and `Etc/GMT+1` is west of it.
        return None
    city = text.strip().replace(" ", "_").lower()
    names = sorted(zone_names(), key=lambda name: (name.lower() != city, name))
    cities = [name for name in names if name.lower().rpartition("/")[2] == city]
    return next(iter([*cities, *get_close_matches(text, names, n=1, cutoff=0.8)]), None)


@cache
def _spellings() -> dict[str, str]:
    return {name.casefold(): name for name in zone_names()}


def recipient_zone(traits: Mapping[str, Any], *fallbacks: str | None) -> ZoneInfo:
    """Return the zone of the trait `timezone`, else of a valid fallback, else UTC."""
    for name in (traits.get("timezone"), *fallbacks):
        zone = find_zone(name)
        if zone is not None:
            return zone
    return _UTC


# Bounded by the list of names.
@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
