from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.local_time.instants import exists, instant, local_day
from tests.domain.local_time.walls import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Turn,
    all_turns,
    turns,
    walk,
    wall,
    watched_instant,
)
from tests.proofs import rounds

NEW_YORK = "America/New_York"


@pytest.mark.parametrize(
    ("zone", "local", "expected"),
    [
        ("Asia/Tokyo", "2026-11-23T08:00", "2026-11-22T23:00"),
        # A gap, 02:00 to 03:00, and the moments around it.
        (NEW_YORK, "2026-03-08T01:59:59.999999", "2026-03-08T06:59:59.999999"),
        (NEW_YORK, "2026-03-08T02:00", "2026-03-08T07:00"),
        (NEW_YORK, "2026-03-08T02:30", "2026-03-08T07:00"),
        (NEW_YORK, "2026-03-08T02:59:59.999999", "2026-03-08T07:00"),
        (NEW_YORK, "2026-03-08T03:00", "2026-03-08T07:00"),
        (NEW_YORK, "2026-03-08T03:00:00.000001", "2026-03-08T07:00:00.000001"),
        # An overlap, 01:00 to 02:00.
        (NEW_YORK, "2026-11-01T00:59:59", "2026-11-01T04:59:59"),
        (NEW_YORK, "2026-11-01T01:00", "2026-11-01T05:00"),
        (NEW_YORK, "2026-11-01T01:30", "2026-11-01T05:30"),
        (NEW_YORK, "2026-11-01T01:59:59.999999", "2026-11-01T05:59:59.999999"),
        (NEW_YORK, "2026-11-01T02:00", "2026-11-01T07:00"),
        # Half an hour: forward at 02:00 to 02:30, back at 02:00 to 01:30.
        ("Australia/Lord_Howe", "2026-10-04T02:10", "2026-10-03T15:30"),
        ("Australia/Lord_Howe", "2026-10-04T02:30", "2026-10-03T15:30"),
        ("Australia/Lord_Howe", "2026-04-05T01:29", "2026-04-04T14:29"),
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45"),
        ("Australia/Lord_Howe", "2026-04-05T02:00", "2026-04-04T15:30"),
        # No 30 December.
        ("Pacific/Apia", "2011-12-29T23:59", "2011-12-30T09:59"),
        ("Pacific/Apia", "2011-12-30T00:00", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-30T23:59:59.5", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-31T00:00", "2011-12-30T10:00"),
        # Back at 00:01 to 23:01 of the day before, and forward at 00:01.
        ("America/St_Johns", "2010-11-06T23:30", "2010-11-07T02:00"),
        ("America/St_Johns", "2010-11-07T00:00", "2010-11-07T02:30"),
        ("America/St_Johns", "2010-11-07T00:00:59", "2010-11-07T02:30:59"),
        ("America/St_Johns", "2010-11-07T00:01", "2010-11-07T03:31"),
        ("America/St_Johns", "2010-03-14T00:30", "2010-03-14T03:31"),
        # No midnight: 00:00 to 01:00 is skipped; and none of the hour before it.
        ("Africa/Cairo", "2010-04-30T00:00", "2010-04-29T22:00"),
        ("America/Sao_Paulo", "2018-11-04T00:00", "2018-11-04T03:00"),
        ("America/Nuuk", "2025-03-29T23:30", "2025-03-30T01:00"),
    ],
)
def test_what_a_local_time_means(zone: str, local: str, expected: str) -> None:
    shown = datetime.fromisoformat(local)
    at = instant(shown.date(), shown.time(), ZoneInfo(zone))
    assert at == datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert at.tzinfo is UTC


def test_the_mark_of_a_second_reading_is_overlooked() -> None:
    at = instant(date(2026, 11, 1), time(1, 30, fold=1), ZoneInfo(NEW_YORK))
    assert at == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


@pytest.mark.prove
def test_every_turn_of_every_zone() -> None:
    """At the wall clock's reading before each turn, after it, between both, and next to each of these."""
    assert len(all_turns()) > 4_000
    for zone, at, jump in all_turns()[:: rounds(5, 1)]:
        margin = abs(jump) + 5 * MINUTE
        seen = walk(at - margin, at + margin, zone, MINUTE)
        after = wall(at, zone)
        before = after - jump
        around = {
            mark + nudge for mark in (before, after, before + jump / 2) for nudge in (-MINUTE, 0 * MINUTE, MINUTE)
        }
        for local in around:
            expected = watched_instant(local.date(), local.time(), zone, seen)
            assert instant(local.date(), local.time(), zone) == expected, (zone.key, local)


@pytest.mark.prove
@settings(derandomize=True, max_examples=rounds(15, 500))
@given(turns(), st.data())
def test_readings_to_the_second_and_below(turn: Turn, data: st.DataObject) -> None:
    zone, at, jump = turn
    margin = min(abs(jump), 2 * HOUR) + 2 * MINUTE
    seen = walk(at - margin, at + margin, zone, SECOND)
    low, high = seen[0][1] + SECOND, seen[-1][1]
    local = data.draw(st.datetimes(low, high)).replace(microsecond=0)
    expected = watched_instant(local.date(), local.time(), zone, seen)
    assert instant(local.date(), local.time(), zone) == expected
    part = data.draw(st.integers(1, 999_999))
    # Fractions go on from the second, but a gap's end has none.
    rest = timedelta(microseconds=part) if wall(expected, zone) == local else timedelta()
    assert instant(local.date(), local.time().replace(microsecond=part), zone) == expected + rest


@settings(derandomize=True, max_examples=90)
@given(turns(), st.lists(st.integers(-2 * 86_400, 2 * 86_400), min_size=2, max_size=8))
def test_a_later_local_time_is_never_an_earlier_instant(turn: Turn, seconds: list[int]) -> None:
    locals_ = sorted(wall(turn.at, turn.zone) + second * SECOND for second in seconds)
    instants = [instant(local.date(), local.time(), turn.zone) for local in locals_]
    assert instants == sorted(instants)


@pytest.mark.parametrize(
    ("zone", "missing"),
    [
        ("Pacific/Apia", date(2011, 12, 30)),
        ("Pacific/Fakaofo", date(2011, 12, 30)),
        ("Pacific/Kwajalein", date(1993, 8, 21)),
        ("Pacific/Kiritimati", date(1994, 12, 31)),
        ("Pacific/Kanton", date(1994, 12, 31)),
    ],
)
def test_a_day_that_an_island_skipped(zone: str, missing: date) -> None:
    days = [missing + number * DAY for number in range(-3, 4)]
    assert [day for day in days if not exists(day, ZoneInfo(zone))] == [missing]


def test_which_days_exist_around_every_turn() -> None:
    missing = set()
    for zone, at, _ in all_turns():
        shown = {wall(at + hours * HOUR, zone).date() for hours in range(-36, 37)}
        for day in (wall(at, zone).date() + number * DAY for number in (-1, 0, 1)):
            assert exists(day, zone) is (day in shown), (zone.key, day)
            if day not in shown:
                missing.add(day)
    assert missing == {date(2011, 12, 30), date(1993, 8, 21), date(1994, 12, 31)}


@settings(derandomize=True, max_examples=90)
@given(turns(), st.timedeltas(-3 * DAY, 3 * DAY))
def test_the_day_is_that_of_the_wall(turn: Turn, distance: timedelta) -> None:
    at = turn.at + distance
    assert local_day(at, turn.zone) == wall(at, turn.zone).date()


@pytest.mark.parametrize(("zone", "day"), [("Asia/Tokyo", date.min), (NEW_YORK, date.max)])
def test_beyond_the_years_that_there_are(zone: str, day: date) -> None:
    with pytest.raises(OverflowError):
        instant(day, time(0) if day == date.min else time(23, 59), ZoneInfo(zone))
