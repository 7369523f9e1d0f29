"""The types of fields that speak of local time: times of day, weekdays, time zones."""

import re
from datetime import time
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from domain.campaign.schema import patterned, refuse, shown
from domain.campaign.suggestions import did_you_mean
from domain.local_time.zones import find_zone, zone_names

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _clock(value: Any) -> time:
    if isinstance(value, str) and re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
        return time.fromisoformat(value)
    suggestion = 'Write hours and minutes, from 00:00 to 23:59: `"09:00"`'
    if isinstance(value, str) and (match := re.fullmatch(r"([0-9]):?([0-5][0-9])", value)):
        suggestion = f'Did you mean `"0{match[1]}:{match[2]}"`? {suggestion}'
    refuse(f"{shown(value)} is not a time of day", suggestion)


def _closing_clock(value: Any) -> time:
    return time() if value == "24:00" else _clock(value)


def _weekdays(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not value:
        refuse(f"{shown(value)} is not a list of weekdays", "Write `[mon, tue]`")
    for day in value:
        if day not in WEEKDAYS:
            refuse(f"{shown(day)} is not a weekday", did_you_mean(str(day)[:3].lower(), WEEKDAYS))
        if value.count(day) > 1:
            refuse(f"{shown(day)} stands there twice", "Name each day once")
    return tuple(sorted(WEEKDAYS.index(day) for day in value))


def _zone_name(value: Any) -> str:
    if not isinstance(value, str) or find_zone(value) is None:
        hint = did_you_mean(str(value), sorted(zone_names())).partition(" Allowed:")[0]
        known = "" if hint.startswith("Allowed") else f"{hint} "
        refuse(f"{shown(value)} is not a time zone", f"{known}Write an IANA name: `Europe/Berlin`, `UTC`")
    return value


_CLOCK_TEXT = PlainSerializer(lambda clock: f"{clock:%H:%M}", return_type=str)
_CLOCK_PATTERN = "([01][0-9]|2[0-3]):[0-5][0-9]"
Clock = Annotated[time, BeforeValidator(_clock), _CLOCK_TEXT, patterned(_CLOCK_PATTERN, "09:00")]
# The end of a day may be written 24:00.
ClosingClock = Annotated[
    time, BeforeValidator(_closing_clock), _CLOCK_TEXT, patterned(f"({_CLOCK_PATTERN}|24:00)", "21:00", "24:00")
]
# Numbers, Monday 0, in the order of the week.
Weekdays = Annotated[
    tuple[int, ...],
    BeforeValidator(_weekdays),
    PlainSerializer(lambda days: [WEEKDAYS[day] for day in days], return_type=list[str]),
    WithJsonSchema(
        {"type": "array", "items": {"enum": list(WEEKDAYS)}, "minItems": 1, "uniqueItems": True, "examples": [["mon"]]}
    ),
]
ZoneName = Annotated[
    str, BeforeValidator(_zone_name), WithJsonSchema({"type": "string", "examples": ["Europe/Berlin", "UTC"]})
]
