"""Types of fields for elapsed time: durations, ranges and offsets, and instants."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from domain.campaign.durations import (
    EXPECTED,
    MAX_SECONDS,
    DurationError,
    format_duration,
    parse_duration,
    parse_offset,
)
from domain.campaign.schema import pattern_check, quote_value, refuse

_INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})"
DURATION = r"(?=[0-9])([0-9]{1,9}w)?([0-9]{1,9}d)?([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?"


def _seconds(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        refuse(f"{quote_value(value)} is not a duration", EXPECTED)
    try:
        seconds = parse_duration(value)
    except DurationError as error:
        refuse(error.message, error.suggestion)
    if not 0 < seconds <= MAX_SECONDS:
        refuse(f"`{value}` is out of bounds", "A duration is from 1s to 366d")
    return seconds


def _seconds_range(value: Any) -> tuple[int, int]:
    if not isinstance(value, str) or ".." not in value:
        refuse(f"{quote_value(value)} is not a range of durations", _guess_range(value))
    low, high = (_seconds(part.strip()) for part in value.split("..", 1))
    if low >= high:
        refuse(f"`{value}` is empty", f"Write the smaller one first: `{format_duration(high)}..{format_duration(low)}`")
    return low, high


def _guess_range(value: Any) -> str:
    expected = "Write the least and the most: `1h..3h`"
    match value:
        case str() if len(value) < 60:
            ends = re.split(r"\s*(?:-|–|…|to)\s*", value)
        case [str(), str()]:
            ends = value
        case _:
            return expected
    with suppress(DurationError):
        found = sorted(parse_duration(end) for end in ends)
        if len(found) == 1:
            return f"{expected}; a fixed time is `delay: {value}`"
        if len(found) == 2:
            return f"Did you mean `{'..'.join(map(format_duration, found))}`? {expected}"
    return expected


def _offset(value: Any) -> int:
    said = "Write a duration, with `-` for earlier: `-3d`, `2h`"
    if not isinstance(value, str):
        days = f". Did you mean `{value}d`?" if isinstance(value, int) and not isinstance(value, bool) else ""
        refuse(f"{quote_value(value)} is not an offset", f"{said}{days}")
    try:
        seconds = parse_offset(value)
    except DurationError as error:
        suggestion = error.suggestion.replace("mean `", "mean `-") if value.startswith("-") else error.suggestion
        refuse(f"{quote_value(value)} is not an offset", f"{suggestion}; with `-` for earlier")
    if not 0 < abs(seconds) <= MAX_SECONDS:
        refuse(f"`{value}` is out of bounds", "An offset is from 1s to 366d, earlier or later")
    return seconds


def _instant(value: Any) -> datetime:
    instant: datetime | None = None
    if isinstance(value, str) and re.fullmatch(_INSTANT, value):
        with suppress(ValueError, OverflowError):
            instant = datetime.fromisoformat(value).astimezone(UTC)
    if instant is None:
        meant = next(
            (f"{value}{rest}" for rest in ("Z", "T00:00:00Z") if re.fullmatch(_INSTANT, f"{value}{rest}")), None
        )
        refuse(
            f"{quote_value(value)} is not a time with an offset",
            (f"Did you mean `{meant}`? " if meant else "")
            + "Write date, time and offset: `2026-11-01T09:00:00Z` or `2026-11-01T09:00:00+01:00`",
        )
    return instant


Duration = Annotated[
    int,
    BeforeValidator(_seconds),
    PlainSerializer(format_duration, return_type=str),
    pattern_check(DURATION, "30m", "7d", "1h30m"),
]
# The least and the most, in seconds.
DurationRange = Annotated[
    tuple[int, int],
    BeforeValidator(_seconds_range),
    PlainSerializer(lambda ends: "..".join(map(format_duration, ends)), return_type=str),
    pattern_check(rf"{DURATION}\.\.{DURATION}", "1h..3h"),
]
# Seconds, negative for earlier.
Offset = Annotated[
    int,
    BeforeValidator(_offset),
    PlainSerializer(lambda at: ("-" if at < 0 else "") + format_duration(abs(at)), return_type=str),
    pattern_check(rf"[-+]?{DURATION}", "-3d", "2h"),
]
Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    PlainSerializer(lambda at: at.isoformat().replace("+00:00", "Z"), return_type=str),
    pattern_check(_INSTANT, "2026-11-01T09:00:00Z", "2026-11-01T09:00:00+01:00"),
]
