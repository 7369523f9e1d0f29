from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.local_time.windows import EVERY_DAY, LocalWindow, is_open, longest_closed, next_open
from tests.domain.local_time.walls import DAY, HOUR, MINUTE, Turn, turns, wall, watched_opening
from tests.proofs import rounds

TICK = timedelta(microseconds=1)
MON, TUE, WED, THU, FRI, SAT, SUN = range(7)
DAYTIME = LocalWindow(time(9), time(21))
NIGHT = LocalWindow(time(21), time(9), (FRI,))
NEW_YORK = "America/New_York"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "window", "at", "expected"),
    [
        pytest.param(zone, window, at, expected, id=f"{zone} {name}")
        for zone, name, window, at, expected in [
            ("UTC", "as it opens", DAYTIME, "2026-11-02T09:00", "2026-11-02T09:00"),
            ("UTC", "just before it opens", DAYTIME, "2026-11-02T08:59:59.999999", "2026-11-02T09:00"),
            ("UTC", "just before it closes", DAYTIME, "2026-11-02T20:59:59.999999", "2026-11-02T20:59:59.999999"),
            ("UTC", "as it closes", DAYTIME, "2026-11-02T21:00", "2026-11-03T09:00"),
            ("UTC", "whole days", LocalWindow(), "2026-11-02T00:00", "2026-11-02T00:00"),
            ("UTC", "whole weekdays", LocalWindow(days=(MON,)), "2026-11-03T00:00", "2026-11-09T00:00"),
            ("UTC", "to the end of the day", LocalWindow(time(18), time(0), (MON,)), "2026-11-02T23:59:59", None),
            ("UTC", "noon to noon", LocalWindow(time(12), time(12), (MON,)), "2026-11-03T11:59:59", None),
            (
                "UTC",
                "noon to noon, over",
                LocalWindow(time(12), time(12), (MON,)),
                "2026-11-03T12:00",
                "2026-11-09T12:00",
            ),
            # Sunday in UTC, already Monday in Tokyo.
            ("Asia/Tokyo", "Monday", LocalWindow(time(8), time(20), (MON,)), "2026-11-01T22:30", "2026-11-01T23:00"),
            # Opened on Friday evening, open on Saturday morning, though it does not open on Saturdays.
            ("Europe/Berlin", "over midnight", NIGHT, "2026-11-07T07:59:59", None),
            ("Europe/Berlin", "over midnight, over", NIGHT, "2026-11-07T08:00", "2026-11-13T20:00"),
            ("Europe/Berlin", "Friday's early hours", NIGHT, "2026-11-06T03:00", "2026-11-06T20:00"),
            # A window that a gap swallows is missed once; one that a gap shortens opens with its end.
            (NEW_YORK, "in the gap", LocalWindow(time(2), time(3)), "2026-03-08T05:00", "2026-03-09T06:00"),
            (NEW_YORK, "within the gap", LocalWindow(time(2, 15), time(2, 45)), "2026-03-08T05:00", "2026-03-09T06:15"),
            (
                NEW_YORK,
                "Sundays in the gap",
                LocalWindow(time(2), time(3), (SUN,)),
                "2026-03-03T00:00",
                "2026-03-15T06:00",
            ),
            (NEW_YORK, "from the gap", LocalWindow(time(2, 30), time(4)), "2026-03-08T05:00", "2026-03-08T07:00"),
            (NEW_YORK, "into the gap", LocalWindow(time(1), time(2, 30)), "2026-03-08T06:59:59", None),
            (NEW_YORK, "into the gap, over", LocalWindow(time(1), time(2, 30)), "2026-03-08T07:00", "2026-03-09T05:00"),
            # In the overlap the window keeps to the first 01:30.
            (NEW_YORK, "in the overlap", LocalWindow(time(1, 15), time(1, 45)), "2026-11-01T05:44", None),
            (NEW_YORK, "second time", LocalWindow(time(1, 15), time(1, 45)), "2026-11-01T06:20", "2026-11-02T06:15"),
            (NEW_YORK, "over the overlap", LocalWindow(time(1, 30), time(2, 30)), "2026-11-01T06:10", None),
            (
                "Australia/Lord_Howe",
                "in the gap",
                LocalWindow(time(2), time(2, 30)),
                "2026-10-03T15:29",
                "2026-10-04T15:00",
            ),
            ("Australia/Lord_Howe", "again", LocalWindow(time(1), time(1, 45)), "2026-04-04T15:10", "2026-04-05T14:30"),
            # Thursday's night ends with Thursday: its Friday morning does not exist. Friday's does not open.
            ("Pacific/Apia", "Thursday night", LocalWindow(time(21), time(9), (THU,)), "2011-12-30T09:59:59", None),
            ("Pacific/Apia", "its end", LocalWindow(time(21), time(9), (THU,)), "2011-12-30T10:00", "2012-01-05T07:00"),
            ("Pacific/Apia", "Fridays", LocalWindow(time(9), time(21), (FRI,)), "2011-12-24T10:00", "2012-01-05T19:00"),
            ("Pacific/Apia", "Friday night", NIGHT, "2011-12-28T00:00", "2012-01-06T07:00"),
            # 23:01 comes again after 00:00:59; the day that opened at 00:00 stays open.
            ("America/St_Johns", "Sunday", LocalWindow(days=(SUN,)), "2010-11-07T02:31", None),
            ("America/St_Johns", "Saturday", LocalWindow(days=(SAT,)), "2010-11-07T02:30", "2010-11-13T03:30"),
            (
                "America/St_Johns",
                "late",
                LocalWindow(time(23, 10), time(23, 50)),
                "2010-11-07T02:45",
                "2010-11-08T02:40",
            ),
            # Midnight is at 01:00.
            (
                "Africa/Cairo",
                "no midnight",
                LocalWindow(time(0), time(8), (FRI,)),
                "2010-04-29T21:59",
                "2010-04-29T22:00",
            ),
            ("Africa/Cairo", "until no midnight", LocalWindow(time(20), time(0), (THU,)), "2010-04-29T21:59:59", None),
            ("Africa/Cairo", "past it", LocalWindow(time(20), time(0), (THU,)), "2010-04-29T22:00", "2010-05-06T17:00"),
        ]
    ],
)
def test_when_it_is_open_next(zone: str, window: LocalWindow, at: str, expected: str | None) -> None:
    """None: it is open at the time."""
    opening = next_open(window, utc(at), ZoneInfo(zone))
    assert opening == utc(expected or at)
    assert opening.tzinfo is UTC
    assert is_open(window, utc(at), ZoneInfo(zone)) is (opening == utc(at))


def test_it_is_read_as_it_was_written() -> None:
    assert msgspec.json.encode(LocalWindow()) == b"{}"
    window = LocalWindow(time(21, 30), time(9), (MON, SUN))
    assert msgspec.json.decode(msgspec.json.encode(window), type=LocalWindow) == window


WEEKDAYS = st.lists(st.integers(0, 6), min_size=1, max_size=7, unique=True).map(tuple)


@st.composite
def cases(draw: st.DrawFn) -> tuple[LocalWindow, datetime, ZoneInfo]:
    """A window whose ends are near the turn's times of day, or anywhere, and an instant some days around the turn."""
    turn: Turn = draw(turns())
    after = wall(turn.at, turn.zone)
    marks = st.sampled_from([after, after - turn.jump, after - turn.jump / 2, after.replace(hour=0, minute=0)])
    near = st.builds(lambda mark, minutes: (mark + minutes * MINUTE).time(), marks, st.integers(-60, 60))
    clock = near | st.times().map(lambda anywhere: anywhere.replace(second=0, microsecond=0))
    window = LocalWindow(draw(clock), draw(clock), draw(WEEKDAYS))
    at = turn.at + draw(st.timedeltas(-4 * DAY, 2 * DAY) | st.timedeltas(-2 * HOUR, 2 * HOUR))
    return window, at, turn.zone


@pytest.mark.prove
@settings(derandomize=True, max_examples=rounds(20, 500))
@given(cases())
def test_it_opens_when_a_watcher_sees_it_open(case: tuple[LocalWindow, datetime, ZoneInfo]) -> None:
    window, at, zone = case
    expected = watched_opening(window, at, zone)
    assert next_open(window, at, zone) == expected
    assert is_open(window, at, zone) is (expected == at)


@pytest.mark.prove
@settings(derandomize=True, max_examples=rounds(40, 900))
@given(cases())
def test_an_opening_is_open_and_nothing_before_it(case: tuple[LocalWindow, datetime, ZoneInfo]) -> None:
    window, at, zone = case
    opening = next_open(window, at, zone)
    assert opening >= at
    assert is_open(window, opening, zone)
    if opening > at:
        assert not is_open(window, opening - TICK, zone)
        assert next_open(window, opening - TICK, zone) == opening


@pytest.mark.parametrize(
    ("window", "hours"),
    [
        (LocalWindow(), 0),
        (DAYTIME, 12),
        (LocalWindow(time(9), time(17), (MON, TUE, WED, THU, FRI)), 64),
        (LocalWindow(time(0), time(0), (MON, TUE, WED, THU, FRI)), 48),
        (LocalWindow(time(9), time(10), (MON,)), 7 * 24 - 1),
        (LocalWindow(time(21), time(6), EVERY_DAY), 15),
        (LocalWindow(time(12), time(12), (MON, WED)), 4 * 24),
    ],
)
def test_how_long_a_window_stays_closed(window: LocalWindow, hours: int) -> None:
    assert longest_closed(window) == timedelta(hours=hours)
