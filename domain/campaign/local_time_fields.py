"""Types of fields for local time: times of day, weekdays, time zones."""

import re
from datetime import time
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from domain.campaign.schema import pattern_check, quote_value, refuse
from domain.local_time.zones import find_zone, guess_zone
from domain.suggestions import did_you_mean

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


_SPOKEN_CLOCK = r"([0-9]{1,2}?)(?:[:.h]?([0-5][0-9])(?::00)?)?(?:\s*([ap])\.?m\.?)?"


def _clock(value: Any) -> time:
    if isinstance(value, str) and re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
        return time.fromisoformat(value)
    suggestion = 'Write hours and minutes, from 00:00 to 23:59: `"09:00"`'
    if (meant := guess_clock(str(value))) is not None:
        suggestion = f'Did you mean `"{meant}"`? {suggestion}'
    refuse(f"{quote_value(value)} is not a time of day", suggestion)


def guess_clock(text: str) -> str | None:
    """Rewrite `9:00`, `0900`, `9am` or `09:00:00` in our form."""
    match = re.fullmatch(_SPOKEN_CLOCK, text.strip().lower())
    if match is None:
        return None
    hour, minute, half = int(match[1]), match[2] or "00", match[3]
    if half is not None:
        hour = hour % 12 + (12 if half == "p" else 0) if hour <= 12 else 24
    return f"{hour:02}:{minute}" if hour < 24 else None


def _closing_clock(value: Any) -> time:
    return time() if value == "24:00" else _clock(value)


def _weekdays(value: Any) -> tuple[int, ...]:
    if value == []:
        refuse("the list is empty", "Write at least one weekday, or leave the key out")
    if not isinstance(value, list):
        meant = _guess_weekdays(value.lower()) if isinstance(value, str) else []
        refuse(f"{quote_value(value)} is not a list of weekdays", f"Write `[{', '.join(meant or ['mon', 'tue'])}]`")
    strange = [day for day in value if day not in WEEKDAYS]
    twice = [day for day in WEEKDAYS if value.count(day) > 1]
    said = [f"{quote_value(day)} is not a weekday" for day in strange] + [
        f"`{day}` stands there twice" for day in twice
    ]
    if len(said) == 1 and strange:
        refuse(said[0], did_you_mean(str(strange[0])[:3].lower(), WEEKDAYS))
    if said:
        named = [day for day in WEEKDAYS if any(str(given)[:3].lower() == day for given in value)]
        refuse("; ".join(said), f"Write each once: `[{', '.join(named or WEEKDAYS)}]`")
    return tuple(sorted(WEEKDAYS.index(day) for day in value))


def _guess_weekdays(text: str) -> list[str]:
    """Return the days of `monday`, `mon, fri`, `mon-fri`, `weekdays` or `weekend`."""
    spoken = {"weekday": WEEKDAYS[:5], "weekdays": WEEKDAYS[:5], "weekend": WEEKDAYS[5:], "weekends": WEEKDAYS[5:]}
    named = [day for day in WEEKDAYS if day in text]
    if len(named) == 2 and re.search(r"-|–|\bto\b|\.\.", text):
        named = list(WEEKDAYS[WEEKDAYS.index(named[0]) : WEEKDAYS.index(named[1]) + 1])
    return named or list(spoken.get(text.strip(), ()))


def _zone_name(value: Any) -> str:
    if not isinstance(value, str) or find_zone(value) is None:
        remedy = "Write an IANA name: `Europe/Berlin`, `UTC`"
        meant = guess_zone(str(value)[:64])
        refuse(f"{quote_value(value)} is not a time zone", f"Did you mean `{meant}`? {remedy}" if meant else remedy)
    return value


_CLOCK_TEXT = PlainSerializer(lambda clock: f"{clock:%H:%M}", return_type=str)
_CLOSING_TEXT = PlainSerializer(lambda clock: f"{clock:%H:%M}" if clock > time() else "24:00", return_type=str)
_CLOCK_PATTERN = "([01][0-9]|2[0-3]):[0-5][0-9]"
Clock = Annotated[time, BeforeValidator(_clock), _CLOCK_TEXT, pattern_check(_CLOCK_PATTERN, "09:00")]
# The end of a day may be written 24:00.
ClosingClock = Annotated[
    time, BeforeValidator(_closing_clock), _CLOSING_TEXT, pattern_check(f"({_CLOCK_PATTERN}|24:00)", "21:00", "24:00")
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
