"""Calendar days, weeks and months of a zone, without gaps or overlaps.

A period runs from the first instant of its first day to that of the next period. If clocks go back across midnight, the
repeated part of the old day belongs to the new day, which has begun.
"""

from datetime import date, datetime, time
from typing import Literal, assert_never
from zoneinfo import ZoneInfo

from domain.local_time.instants import DAY, instant, local_day

Period = Literal["day", "week", "month"]

_MIDNIGHT = time(0)


def period_start(period: Period, at: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant of the period. Weeks start on Monday."""
    return instant(_first_day(period, _day_of(at, zone)), _MIDNIGHT, zone)


def next_period_start(period: Period, at: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant of the next period, which is later than this one."""
    first = _first_day(period, _day_of(at, zone))
    return instant(_first_day_after(period, first), _MIDNIGHT, zone)


def _day_of(at: datetime, zone: ZoneInfo) -> date:
    """Return the last day that has begun, even if the calendar went back."""
    day = local_day(at, zone)
    while instant(day + DAY, _MIDNIGHT, zone) <= at:
        day += DAY
    return day


def _first_day(period: Period, day: date) -> date:
    match period:
        case "day":
            return day
        case "week":
            return day - day.weekday() * DAY
        case "month":
            return day.replace(day=1)
        case _:
            assert_never(period)


def _first_day_after(period: Period, first: date) -> date:
    match period:
        case "day":
            return first + DAY
        case "week":
            return first + 7 * DAY
        case "month":
            return (first + 31 * DAY).replace(day=1)
        case _:
            assert_never(period)
