"""Functions that compare with the instant of the evaluation.

There is no `now`: an expression asks whether a time is within a span, how long the person is known, or whether it is an
anniversary. Each answer notes when it will change, so that a kept result is evaluated again in time. The earliest
of these is enough: until then all of them stay, and so does the result, also where CEL skips an operand.
"""

import threading
from collections.abc import Callable, Mapping
from datetime import MAXYEAR, date, datetime, time
from functools import lru_cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from cel_expr_python import cel

from domain.campaign.durations import MAX_SECONDS, DurationError, parse_duration, parse_offset
from domain.local_time.delays import until_moment
from domain.local_time.instants import DAY, instant, local_day
from domain.local_time.moments import read_moment
from domain.local_time.zones import recipient_zone

WITHIN: Final = "within"
KNOWN_FOR: Final = "known_for"
ANNIVERSARY: Final = "anniversary"
FUNCTIONS: Final = frozenset({WITHIN, KNOWN_FOR, ANNIVERSARY})
# The variable that `known_for` reads without naming it.
KNOWN_SINCE: Final = "profile.created_at"

# No date has a longer text.
MAX_MOMENT_CHARACTERS = 100


class EvaluationTime(NamedTuple):
    """The instant of an evaluation, and the zone of people who have none of their own."""

    at: datetime
    timezone: str | None = None


class TimeReading:
    """The times that one evaluation has read. `changes_at` is when an answer changes."""

    __slots__ = ("_profile_field", "_time", "changes_at", "known_since")

    def __init__(self, time: EvaluationTime, profile_field: Callable[[str], Any], known_since: datetime | None) -> None:
        self._time = time
        self._profile_field = profile_field
        self.known_since = known_since
        self.changes_at: datetime | None = None

    @property
    def at(self) -> datetime:
        return self._time.at

    @property
    def zone(self) -> ZoneInfo:
        """The person's zone."""
        traits, context = self._profile_field("traits"), self._profile_field("context")
        of_device = context.get("timezone") if isinstance(context, Mapping) else None
        return recipient_zone(traits if isinstance(traits, Mapping) else {}, of_device, self._time.timezone)

    def note(self, changes_at: datetime) -> None:
        """Note an instant after `at` at which an answer changes."""
        if self.changes_at is None or changes_at < self.changes_at:
            self.changes_at = changes_at


class _Running(threading.local):
    reading: TimeReading | None = None


_running = _Running()


def evaluate_at(reading: TimeReading, expression: cel.Expression, data: Mapping[str, Any]) -> cel.Value:
    """Evaluate an expression whose functions read and note times."""
    _running.reading = reading
    try:
        return expression.eval(data=data)
    finally:
        _running.reading = None


def checked_functions() -> list[cel.FunctionDecl]:
    """Declare the functions for the checker, which looks at their types."""
    kinds = cel.Type
    within = [
        cel.Overload(f"within_{kind.name()}", kinds.BOOL, [kind, kinds.STRING])
        for kind in (kinds.TIMESTAMP, kinds.STRING)
    ]
    anniversary = [
        cel.Overload(f"anniversary_{kind.name()}", kinds.BOOL, [kind]) for kind in (kinds.TIMESTAMP, kinds.STRING)
    ]
    return [
        cel.FunctionDecl(WITHIN, within),
        cel.FunctionDecl(KNOWN_FOR, [cel.Overload(KNOWN_FOR, kinds.BOOL, [kinds.STRING])]),
        cel.FunctionDecl(ANNIVERSARY, anniversary),
    ]


def evaluated_functions() -> list[cel.FunctionDecl]:
    """Return the functions for the evaluation, which take values of any type."""
    kinds = cel.Type
    return [
        cel.FunctionDecl(WITHIN, [cel.Overload(WITHIN, kinds.BOOL, [kinds.DYN, kinds.STRING], False, _is_within_span)]),
        cel.FunctionDecl(KNOWN_FOR, [cel.Overload(KNOWN_FOR, kinds.BOOL, [kinds.STRING], False, _is_known_for)]),
        cel.FunctionDecl(ANNIVERSARY, [cel.Overload(ANNIVERSARY, kinds.BOOL, [kinds.DYN], False, _is_anniversary)]),
    ]


def explain_span(function: str, text: str) -> tuple[str, str] | None:
    """Return the fault of a span in a call, and the remedy; None if it has none."""
    try:
        seconds = parse_offset(text) if function == WITHIN else parse_duration(text)
    except DurationError as error:
        return error.message, error.suggestion
    if not 0 < abs(seconds) <= MAX_SECONDS:
        return f"`{text}` is out of bounds", "A span is from 1s to 366d"
    return None


def _is_within_span(value: Any, span: str) -> bool:
    """Return whether a time lies within the last `14d`, or by `-3d` within the next."""
    if value is None:
        return False
    reading = _current()
    begins, ends = _find_span(_read_moment(value), _parse_span(span), reading.zone)
    if reading.at < begins:
        reading.note(begins)
    elif reading.at < ends:
        reading.note(ends)
    return begins <= reading.at < ends


def _is_known_for(span: str) -> bool:
    """Return whether the person has been known for so long."""
    reading = _current()
    if reading.known_since is None:
        return False
    _, since = _find_span(reading.known_since, _parse_span(span), reading.zone)
    if reading.at < since:
        reading.note(since)
    return reading.at >= since


def _is_anniversary(value: Any) -> bool:
    """Return whether it is the day of a date in a later year, where the person is.

    29 February has its anniversary on the 28th in other years.
    """
    if value is None:
        return False
    reading = _current()
    zone = reading.zone
    moment = _read_moment(value)
    first = moment if not isinstance(moment, datetime) else _local_date(moment, zone)
    today = local_day(reading.at, zone)
    if today.year > first.year and _find_anniversary(first, today.year) == today:
        reading.note(instant(today + DAY, time(), zone))
        return True
    year = max(today.year, first.year + 1)
    if (following := _find_anniversary(first, year)) is not None and following <= today:
        following = _find_anniversary(first, year + 1)
    if following is not None:
        reading.note(instant(following, time(), zone))
    return False


def _current() -> TimeReading:
    if _running.reading is None:
        raise ValueError("a time was read outside of an evaluation")
    return _running.reading


def _read_moment(value: Any) -> date | datetime:
    is_long = isinstance(value, str) and len(value) > MAX_MOMENT_CHARACTERS
    if is_long or (moment := read_moment(value)) is None:
        raise ValueError("a value is not a date or time")
    return moment


def _local_date(moment: datetime, zone: ZoneInfo) -> date:
    return moment.date() if moment.tzinfo is None else local_day(moment, zone)


def _find_span(moment: date | datetime, seconds: int, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the first instant of the span beside a moment, and the first after it."""
    at, other = (until_moment(moment, offset, None, zone) for offset in (0, seconds))
    if at is None or other is None:
        raise ValueError("a date is out of range")
    return (at, other) if seconds > 0 else (other, at)


def _find_anniversary(first: date, year: int) -> date | None:
    """Return the anniversary in a year; None after the last year that a date has."""
    if year > MAXYEAR:
        return None
    try:
        return first.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


@lru_cache(maxsize=256)
def _parse_span(text: str) -> int:
    return parse_offset(text)
