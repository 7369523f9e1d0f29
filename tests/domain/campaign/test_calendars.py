"""The calendars of repeated audiences, against an oracle that goes through all days."""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from domain.campaign.calendars import Calendar, calendars, describe, find_next_run, shortest_distance
from domain.campaign.rules import AgainRule, DailyRule, MonthlyRule, WeeklyRule
from domain.local_time.instants import instant

UTC_ZONE, BERLIN = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")
FIRST, LAST = date(2026, 1, 1), date(2035, 12, 31)
NINE, GAP = time(9), time(2, 30)
MONTHS = [MonthlyRule(NINE, day) for day in (1, 28, 29, 30, 31)]
RULES: list[AgainRule] = [DailyRule(NINE), WeeklyRule(NINE, (0,)), WeeklyRule(NINE, (2, 6)), *MONTHS]


def days(first: date = FIRST, last: date = LAST) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def is_in(calendar: Calendar, day: date) -> bool:
    return (
        (calendar.weekdays is None or day.weekday() in calendar.weekdays)
        and (calendar.days is None or day.day in calendar.days)
        and (calendar.months is None or day.month in calendar.months)
        and (calendar.years is None or any(day.year in years for years in calendar.years))
    )


def wanted(again: AgainRule, day: date) -> bool:
    match again:
        case WeeklyRule(days=weekdays):
            return day.weekday() in weekdays
        case MonthlyRule(day=number):
            return day.day == number or (number > day.day == monthrange(day.year, day.month)[1])
        case _:
            return True


@pytest.mark.parametrize("again", RULES, ids=describe)
def test_they_hold_each_run_once(again: AgainRule) -> None:
    found = calendars(again, UTC_ZONE, FIRST)
    assert [sum(is_in(calendar, day) for calendar in found) for day in days()] == [
        int(wanted(again, day)) for day in days()
    ]


@pytest.mark.parametrize("again", [DailyRule(GAP), WeeklyRule(GAP, (6,)), MonthlyRule(GAP, 31)], ids=describe)
def test_a_time_that_clocks_skip_is_the_first_after_it(again: AgainRule) -> None:
    """Temporal finds nothing on such a day."""
    found = calendars(again, BERLIN, FIRST)
    for day in days():
        shown = [datetime.combine(day, one.at, BERLIN) for one in found if is_in(one, day)]
        exist = [at.astimezone(UTC) for at in shown if at.astimezone(UTC).astimezone(BERLIN) == at]
        assert exist == ([instant(day, GAP, BERLIN)] if wanted(again, day) else []), day


def test_without_turning_clocks_there_is_nothing_to_add() -> None:
    assert calendars(DailyRule(GAP), ZoneInfo("Asia/Tokyo"), FIRST) == (Calendar(GAP),)


@pytest.mark.parametrize("again", RULES, ids=describe)
def test_the_shortest_distance(again: AgainRule) -> None:
    found = [day for day in days() if wanted(again, day)]
    apart = min((after - day).days for day, after in pairwise(found))
    assert shortest_distance(again) == 86_400 * apart


def test_how_it_is_spoken() -> None:
    assert [describe(rule) for rule in (DailyRule(GAP), WeeklyRule(NINE, (0, 3)), MonthlyRule(NINE, 31))] == [
        "every day at 02:30",
        "mon, thu at 09:00",
        "day 31 of every month at 09:00",
    ]


def test_the_next_run_is_the_first_of_those_of_the_calendars() -> None:
    zone = ZoneInfo("Europe/Berlin")
    monday = datetime(2026, 3, 23, 8, 1, tzinfo=UTC)
    assert find_next_run(DailyRule(time(9)), zone, monday) == datetime(2026, 3, 24, 8, tzinfo=UTC)
    assert find_next_run(WeeklyRule(time(9), (0,)), zone, monday) == datetime(2026, 3, 30, 7, tzinfo=UTC)
    assert find_next_run(MonthlyRule(time(9), 31), zone, monday) == datetime(2026, 3, 31, 7, tzinfo=UTC)
    # Clocks skip half past two on the 29th.
    since = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert find_next_run(DailyRule(time(2, 30)), zone, since) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    at = find_next_run(DailyRule(time(9)), zone, monday)
    assert find_next_run(DailyRule(time(9)), zone, at) == at
