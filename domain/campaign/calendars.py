"""The runs of a repeated audience, as calendars of Temporal's schedules."""

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import count
from typing import assert_never
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.campaign.local_time_fields import WEEKDAYS
from domain.campaign.rules import AgainRule, DailyRule, MonthlyRule, WeeklyRule
from domain.local_time.instants import instant, local_day

_DAY = 86_400
_SHORTEST_MONTH = 28
_LONG, _SHORT = (1, 3, 5, 7, 8, 10, 12), (4, 6, 9, 11)
_FEBRUARY = (2,)
# Skipped local times are searched for this far ahead, again with each version that starts.
_DAYS_LOOKED_AHEAD = 3_653
# Far enough ahead. The year 2100 is not a leap year.
_LEAP_YEARS = (range(2024, 2100, 4),)
_COMMON_YEARS = tuple(range(2024 + after, 2100, 4) for after in (1, 2, 3))


class Calendar(Struct, frozen=True):
    """Instants when clocks show a time, on days that match all fields (Monday 0)."""

    at: time
    weekdays: tuple[int, ...] | None = None
    days: tuple[int, ...] | None = None
    months: tuple[int, ...] | None = None
    years: tuple[range, ...] | None = None


def calendars(again: AgainRule, zone: ZoneInfo, since: date) -> tuple[Calendar, ...]:
    """Return the calendars that together hold the runs of a rule from a day on.

    Temporal passes over a local time that clocks skip, so the first instant after it has a calendar of its own. At a
    local time that clocks show twice, Temporal takes the second.
    """
    return (*_ordinary(again), *_skip(again, zone, since))


def _skip(again: AgainRule, zone: ZoneInfo, since: date) -> Iterator[Calendar]:
    for number in range(_DAYS_LOOKED_AHEAD):
        day = since + timedelta(days=number)
        shown = instant(day, again.at, zone).astimezone(zone)
        if _is_on(again, day) and (shown.date(), shown.time()) != (day, again.at):
            year = range(shown.year, shown.year + 1)
            yield Calendar(shown.time(), days=(shown.day,), months=(shown.month,), years=(year,))


def _is_on(again: AgainRule, day: date) -> bool:
    match again:
        case DailyRule():
            return True
        case WeeklyRule(days=weekdays):
            return day.weekday() in weekdays
        case MonthlyRule(day=wanted):
            return day.day == min(wanted, monthrange(day.year, day.month)[1])
        case _:
            assert_never(again)


def _ordinary(again: AgainRule) -> tuple[Calendar, ...]:
    match again:
        case DailyRule(at=at):
            return (Calendar(at),)
        case WeeklyRule(at=at, days=weekdays):
            return (Calendar(at, weekdays=weekdays),)
        case MonthlyRule(at=at, day=day) if day <= _SHORTEST_MONTH:
            return (Calendar(at, days=(day,)),)
        case MonthlyRule(at=at, day=day):
            return (
                Calendar(at, days=(day,), months=_LONG),
                Calendar(at, days=(min(day, 30),), months=_SHORT),
                Calendar(at, days=(29,), months=_FEBRUARY, years=_LEAP_YEARS),
                Calendar(at, days=(28,), months=_FEBRUARY, years=_COMMON_YEARS),
            )
        case _:
            assert_never(again)


def find_next_run(again: AgainRule, zone: ZoneInfo, since: datetime) -> datetime:
    """Return the first run of a rule at an instant or after it."""
    first = local_day(since, zone)
    for number in count():
        day = first + timedelta(days=number)
        if _is_on(again, day) and (at := instant(day, again.at, zone)) >= since:
            return at
    raise AssertionError("there is always another day")


def describe(again: AgainRule) -> str:
    """Describe a rule as people say it: `mon, thu at 09:00`."""
    match again:
        case DailyRule():
            days = "every day"
        case WeeklyRule(days=weekdays):
            days = ", ".join(WEEKDAYS[day] for day in weekdays)
        case MonthlyRule(day=day):
            days = f"day {day} of every month"
        case _:
            assert_never(again)
    return f"{days} at {again.at:%H:%M}"


def shortest_distance(again: AgainRule) -> int:
    """Return the seconds between the two closest runs, without a clock change."""
    match again:
        case DailyRule():
            return _DAY
        case WeeklyRule(days=weekdays):
            following = [*weekdays[1:], weekdays[0] + 7]
            return _DAY * min(after - day for day, after in zip(weekdays, following, strict=True))
        case MonthlyRule(day=day):
            # After the 29th or 30th, the last day of February is at most 29 days away.
            return _DAY * (29 if day in (29, 30) else _SHORTEST_MONTH)
        case _:
            assert_never(again)
