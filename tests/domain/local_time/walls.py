"""What a patient watcher of a wall clock sees: the slow truth that the fast functions are held against.

The watcher knows no offsets and no rules of time zones. It walks the UTC time line and reads what the clock shows.
Since 1990 all zones turn on whole minutes, by whole minutes, so that a walk by minutes sees everything.
"""

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import count, pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from domain.local_time.windows import LocalWindow
from domain.local_time.zones import zone_names

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WEEK = 7 * DAY
FIRST, LAST = datetime(1990, 1, 1), datetime(2038, 1, 1)


class Turn(NamedTuple):
    """The first instant at which clocks of a zone no longer go on as before, and by how much they were turned."""

    zone: ZoneInfo
    at: datetime
    jump: timedelta


def wall(at: datetime, zone: ZoneInfo) -> datetime:
    """What calendar and clock show."""
    return at.astimezone(zone).replace(tzinfo=None)


def walk(start: datetime, end: datetime, zone: ZoneInfo, step: timedelta) -> list[tuple[datetime, datetime]]:
    """Instants, and what the clock shows at them."""
    return [(at, wall(at, zone)) for at in (start + step * number for number in range((end - start) // step + 1))]


def watched_instant(day: date, clock: time, zone: ZoneInfo, seen: list[tuple[datetime, datetime]]) -> datetime:
    """When the clock first shows this, else when it has first jumped over it."""
    wanted = datetime.combine(day, clock)
    assert seen[0][1] < wanted <= seen[-1][1]
    shown = [at for at, reading in seen if reading == wanted]
    return shown[0] if shown else next(at for (_, old), (at, new) in pairwise(seen) if old < wanted < new)


def watched_opening(window: LocalWindow, at: datetime, zone: ZoneInfo) -> datetime:
    """Opens and shuts by the clock, day by day, and looks from `at` on whether anything is open."""
    opened: set[date] = set()
    for minute, days, is_passed in _watch(at, zone):
        for day in days:
            if day.weekday() in window.days and is_passed(day, window.opens):
                opened.add(day)
            if is_passed(day + DAY if window.closes <= window.opens else day, window.closes):
                opened.discard(day)
        if opened and minute + MINUTE > at:
            return max(minute, at)
    raise AssertionError("a walk does not end")


def watched_clock(at: datetime, clock: time, weekdays: tuple[int, ...], zone: ZoneInfo) -> datetime:
    """Waits for the clock to get to a time of day."""
    for minute, days, is_passed in _watch(at, zone):
        if minute >= at and any(day.weekday() in weekdays and is_passed(day, clock) for day in days):
            return minute
    raise AssertionError("a walk does not end")


def watched_period(period: str, at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Tears the leaf off a calendar when a later one is due, never sticking one back on."""
    start = at.replace(second=0, microsecond=0) - {"day": 3, "week": 10, "month": 34}[period] * DAY
    latest, begun = wall(start, zone).date(), start
    for number in count(1):
        minute = start + number * MINUTE
        day = wall(minute, zone).date()
        if day > latest and _page(period, day) != _page(period, latest):
            if minute > at:
                return begun, minute
            begun = minute
        latest = max(day, latest)
    raise AssertionError("a walk does not end")


def _page(period: str, day: date) -> tuple[int, ...]:
    match period:
        case "day":
            return day.year, day.month, day.day
        case "week":
            return day.isocalendar()[:2]
        case _:
            return day.year, day.month


class _Passed(NamedTuple):
    """What the clock has come to in this minute: times after `old`, up to and with `new`."""

    old: datetime
    new: datetime

    def __call__(self, day: date, clock: time) -> bool:
        return self.old < datetime.combine(day, clock) <= self.new


def _watch(at: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, list[date], _Passed]]:
    """Each minute since three days before, the last three days that the calendar has shown, and what has come.

    When clocks go back nothing comes until they are where they have been.
    """
    start = at.replace(second=0, microsecond=0) - 3 * DAY
    highest = wall(start, zone)
    shown = [highest.date()]
    for number in count(1):
        minute = start + number * MINUTE
        reading = wall(minute, zone)
        if reading.date() > shown[-1]:
            shown = [*shown[-2:], reading.date()]
        latest = max(highest, reading)
        yield minute, shown, _Passed(highest, latest)
        highest = latest


@cache
def all_turns() -> list[Turn]:
    """Every turn of every zone, once where zones do the same at the same time."""
    weeks = [FIRST + number * WEEK for number in range((LAST - FIRST) // WEEK)]
    turns: dict[tuple[datetime, datetime, timedelta], Turn] = {}
    for name in sorted(zone_names()):
        zone = ZoneInfo(name)
        offsets = [zone.utcoffset(week) for week in weeks]
        for number, (before, after) in enumerate(pairwise(offsets)):
            if before != after:
                assert before is not None
                assert after is not None
                at = _turn_of(zone, (weeks[number] - max(before, after)).replace(tzinfo=UTC))
                turn = Turn(zone, at, after - before)
                turns.setdefault((at, wall(at, zone), turn.jump), turn)
    return list(turns.values())


@cache
def strange_turns() -> list[Turn]:
    """The turns that are not by one hour in the small hours."""
    return [
        turn
        for turn in all_turns()
        if abs(turn.jump) != HOUR or wall(turn.at, turn.zone).date() != wall(turn.at - HOUR, turn.zone).date()
    ]


def turns() -> st.SearchStrategy[Turn]:
    """Turns, of which strange ones come as often as all."""
    return st.one_of(
        st.deferred(lambda: st.sampled_from(all_turns())), st.deferred(lambda: st.sampled_from(strange_turns()))
    )


def _turn_of(zone: ZoneInfo, start: datetime) -> datetime:
    """The first second of the eight days from `start` at which the offset is not that of `start`."""
    offset = start.astimezone(zone).utcoffset()
    return start + SECOND * bisect_left(
        range(8 * 86_400), True, key=lambda number: (start + number * SECOND).astimezone(zone).utcoffset() != offset
    )
