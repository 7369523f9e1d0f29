"""Time zones by their IANA names, and which of them holds for a recipient."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from domain.blanks import strip_blanks

_UTC = ZoneInfo("UTC")


@cache
def zone_names() -> frozenset[str]:
    """All names that the IANA database gives to zones, old ones included.

    `Factory` is none: it stands for a zone that has not been set yet.
    """
    # `available_timezones` lists whatever lies in the system's folder: on Debian also `localtime`.
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="ascii").split()) - {"Factory"}


def find_zone(name: object) -> ZoneInfo | None:
    """The zone of exactly this name, or None where the value, of any type, is not the name of one."""
    return _zone(name) if isinstance(name, str) and name in zone_names() else None


def zone_name(name: object) -> str | None:
    """The name of a zone as the IANA database spells it, for one in any letter case; None where there is none."""
    return _spellings().get(strip_blanks(name).casefold()) if isinstance(name, str) else None


@cache
def _spellings() -> dict[str, str]:
    return {name.casefold(): name for name in zone_names()}


def recipient_zone(traits: Mapping[str, Any], *fallbacks: str | None) -> ZoneInfo:
    """The zone of the trait `timezone` if that names one, else of the first fallback that does, else UTC."""
    for name in (traits.get("timezone"), *fallbacks):
        zone = find_zone(name)
        if zone is not None:
            return zone
    return _UTC


# Only names of the list get here, so it stays as small as the list is.
@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
