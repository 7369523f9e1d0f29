"""Marks: values that the clients of a person stated, by name.

A mark whose name begins with `first_` keeps the value of the earliest event, any other that of the latest.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from domain.epoch import to_microseconds
from domain.people.client_context import (
    find_platform,
    read_location,
    read_object,
    read_referrer,
    read_text,
    read_utm_campaign,
)
from domain.people.registers import is_same
from domain.tracking.event import Event

# The same value is written once a day.
_REPEATED: Final = timedelta(days=1) // timedelta(microseconds=1)

# A value with the time of its event in microseconds, by name.
Marks = Mapping[str, tuple[int, Any]]


def add_marks(marks: Marks, event: Event, at: datetime) -> Marks:
    """Return the marks with those of an event; the same object if nothing changes."""
    said: dict[str, Any] = {}
    if (referrer := read_referrer(event)) is not None:
        said["first_referrer"] = said["last_referrer"] = referrer
    if (campaign := read_utm_campaign(event)) is not None:
        said["first_campaign"] = said["last_campaign"] = campaign
    said.update(read_location(event))
    version = read_text(read_object(event.context, "app"), "version")
    if version is not None and find_platform(event) == "app":
        said["app_version"] = version
    when = to_microseconds(at)
    changed = {name: (when, value) for name, value in said.items() if _wins(name, marks.get(name), when, value)}
    return {**marks, **changed} if changed else marks


def merge_marks(one: Marks, other: Marks) -> Marks:
    """Return the marks of a person who sent the events of both."""
    merged = dict(one)
    for name, (at, value) in other.items():
        known = merged.get(name)
        is_earlier = known is not None and at < known[0]
        if known is None or (at != known[0] and is_earlier == name.startswith("first_")):
            merged[name] = (at, value)
    return merged


def _wins(name: str, known: tuple[int, Any] | None, at: int, value: Any) -> bool:
    if known is None:
        return True
    if name.startswith("first_"):
        return at < known[0]
    return at > known[0] and (not is_same(known[1], value) or at - known[0] >= _REPEATED)
