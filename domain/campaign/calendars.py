"""When a repeated audience comes round: days of a calendar and a time of day, as Temporal's schedules have them."""

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, time, timedelta
from typing import assert_never
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.campaign.local_time_fields import WEEKDAYS
from domain.campaign.rules import AgainRule, DailyRule, MonthlyRule, WeeklyRule
from domain.local_time.instants import instant

_DAY = 86_400
_SHORTEST_MONTH = 28
_LONG, _SHORT = (1, 3, 5, 7, 8, 10, 12), (4, 6, 9, 11)
_FEBRUARY = (2,)
# Times that clocks skip are looked for in the next ten years, anew with each version that is started.
_DAYS_LOOKED_AHEAD = 3_653
# As far as anybody plans. The year 2100 is no leap year.
_LEAP_YEARS = (range(2024, 2100, 4),)
_COMMON_YEARS = tuple(range(2024 + after, 2100, 4) for after in (1, 2, 3))


class Calendar(Struct, frozen=True):
    """The instants at which clocks show a time, on days that are all of what is given. None is any.

    Weekdays count from Monday 0.
    """

    at: time
    weekdays: tuple[int, ...] | None = None
    days: tuple[int, ...] | None = None
    months: tuple[int, ...] | None = None
    years: tuple[range, ...] | None = None


def calendars(again: AgainRule, zone: ZoneInfo, since: date) -> tuple[Calendar, ...]:
    """The calendars that together hold the runs of a rule from a day on.

    Temporal passes over a time that clocks skip: the first instant after it has a calendar of its own. Of one that
    clocks show twice, it takes the second.
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


def describe(again: AgainRule) -> str:
    """A rule as people say it: `mon, thu at 09:00`."""
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
    """The seconds between two runs, where they are closest, in a week or month in which no clocks turn."""
    match again:
        case DailyRule():
            return _DAY
        case WeeklyRule(days=weekdays):
            following = [*weekdays[1:], weekdays[0] + 7]
            return _DAY * min(after - day for day, after in zip(weekdays, following, strict=True))
        case MonthlyRule(day=day):
            # From the 29th or 30th, February is come to or left within 29 days.
            return _DAY * (29 if day in (29, 30) else _SHORTEST_MONTH)
        case _:
            assert_never(again)
