from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.local_time.periods import Period, next_period_start, period_start
from tests.domain.local_time.walls import DAY, HOUR, Turn, strange_turns, turns, watched_period
from tests.proofs import rounds

TICK = timedelta(microseconds=1)
PERIODS: tuple[Period, ...] = get_args(Period)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "period", "at", "start", "following"),
    [
        ("Asia/Tokyo", "day", "2026-11-01T22:30", "2026-11-01T15:00", "2026-11-02T15:00"),
        ("Asia/Tokyo", "week", "2026-11-01T15:00", "2026-11-01T15:00", "2026-11-08T15:00"),
        ("Asia/Tokyo", "week", "2026-11-01T14:59:59.999999", "2026-10-25T15:00", "2026-11-01T15:00"),
        ("Asia/Tokyo", "month", "2026-12-31T14:59:59", "2026-11-30T15:00", "2026-12-31T15:00"),
        ("Asia/Tokyo", "month", "2028-02-29T12:00", "2028-01-31T15:00", "2028-02-29T15:00"),
        # 23 and 25 hours.
        ("America/New_York", "day", "2026-03-08T12:00", "2026-03-08T05:00", "2026-03-09T04:00"),
        ("America/New_York", "day", "2026-11-01T12:00", "2026-11-01T04:00", "2026-11-02T05:00"),
        # 00:01 turns back to 23:01: Sunday has begun and stays.
        ("America/St_Johns", "day", "2010-11-07T02:29:59", "2010-11-06T02:30", "2010-11-07T02:30"),
        ("America/St_Johns", "day", "2010-11-07T02:30:30", "2010-11-07T02:30", "2010-11-08T03:30"),
        ("America/St_Johns", "day", "2010-11-07T02:45", "2010-11-07T02:30", "2010-11-08T03:30"),
        ("America/St_Johns", "day", "2010-11-07T03:30", "2010-11-07T02:30", "2010-11-08T03:30"),
        # Midnight does not exist.
        ("Africa/Cairo", "day", "2010-04-29T21:59:59", "2010-04-28T22:00", "2010-04-29T22:00"),
        ("Africa/Cairo", "day", "2010-04-29T22:00", "2010-04-29T22:00", "2010-04-30T21:00"),
        ("America/Havana", "day", "2026-03-08T05:00", "2026-03-08T05:00", "2026-03-09T04:00"),
        ("America/Sao_Paulo", "day", "2018-11-04T03:00", "2018-11-04T03:00", "2018-11-05T02:00"),
        ("Asia/Beirut", "week", "2026-03-28T22:00", "2026-03-22T22:00", "2026-03-29T21:00"),
        # Midnight comes twice, on the first of the month too.
        ("America/Havana", "month", "2020-11-01T05:30", "2020-11-01T04:00", "2020-12-01T05:00"),
        # 29 December is followed by the 31st, and 30 December 1994 by 1 January.
        ("Pacific/Apia", "day", "2011-12-30T09:59:59", "2011-12-29T10:00", "2011-12-30T10:00"),
        ("Pacific/Apia", "day", "2011-12-30T10:00", "2011-12-30T10:00", "2011-12-31T10:00"),
        ("Pacific/Apia", "week", "2011-12-30T10:00", "2011-12-26T10:00", "2012-01-01T10:00"),
        ("Pacific/Kiritimati", "month", "1994-12-31T09:59:59", "1994-12-01T10:00", "1994-12-31T10:00"),
        ("Pacific/Kiritimati", "month", "1994-12-31T10:00", "1994-12-31T10:00", "1995-01-31T10:00"),
    ],
)
def test_where_a_period_begins_and_ends(zone: str, period: Period, at: str, start: str, following: str) -> None:
    begun, ended = period_start(period, utc(at), ZoneInfo(zone)), next_period_start(period, utc(at), ZoneInfo(zone))
    assert (begun, ended) == (utc(start), utc(following))
    assert begun.tzinfo is ended.tzinfo is UTC


DISTANCES = st.timedeltas(-3 * DAY, 3 * DAY) | st.timedeltas(-2 * HOUR, 2 * HOUR)


@pytest.mark.prove
@settings(derandomize=True, max_examples=rounds(20, 500))
@given(turns(), st.sampled_from(["day", "day", "week"]), DISTANCES)
def test_days_and_weeks_are_those_of_a_watched_calendar(turn: Turn, period: Period, distance: timedelta) -> None:
    at = turn.at + distance
    expected = watched_period(period, at, turn.zone)
    assert (period_start(period, at, turn.zone), next_period_start(period, at, turn.zone)) == expected


@pytest.mark.prove
@settings(derandomize=True, max_examples=rounds(5, 150))
@given(turns(), DISTANCES)
def test_months_are_those_of_a_watched_calendar(turn: Turn, distance: timedelta) -> None:
    at = turn.at + distance
    expected = watched_period("month", at, turn.zone)
    assert (period_start("month", at, turn.zone), next_period_start("month", at, turn.zone)) == expected


@settings(derandomize=True, max_examples=150)
@given(turns(), st.sampled_from(PERIODS), DISTANCES)
def test_every_instant_is_in_one_period(turn: Turn, period: Period, distance: timedelta) -> None:
    at, zone = turn.at + distance, turn.zone
    start, following = period_start(period, at, zone), next_period_start(period, at, zone)
    assert start <= at < following
    for inside in (start, following - TICK):
        assert (period_start(period, inside, zone), next_period_start(period, inside, zone)) == (start, following)
    assert period_start(period, following, zone) == following
    assert next_period_start(period, start - TICK, zone) == start


@pytest.mark.prove
def test_periods_meet_at_every_strange_turn() -> None:
    for zone, at, _ in strange_turns()[:: rounds(3, 1)]:
        ticks = [at + 2 * hours * HOUR for hours in range(-15, 16)]
        for period in ("day", "week"):
            spans = [(period_start(period, tick, zone), next_period_start(period, tick, zone)) for tick in ticks]
            assert all(start <= tick < end for tick, (start, end) in zip(ticks, spans, strict=True)), zone.key
            for (start, end), (later, _) in pairwise(dict.fromkeys(spans)):
                assert start < end == later, zone.key
