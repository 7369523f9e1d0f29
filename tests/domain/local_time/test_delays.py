from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.local_time.delays import until_clock, until_moment
from domain.local_time.instants import instant
from domain.local_time.moments import read_moment
from domain.local_time.windows import EVERY_DAY
from domain.local_time.zones import zone_names
from tests.domain.local_time.walls import DAY, HOUR, MINUTE, Turn, turns, wall, watched_clock
from tests.proofs import rounds

TICK = timedelta(microseconds=1)
MON, TUE, WED, THU, FRI, SAT, SUN = range(7)
NEW_YORK = "America/New_York"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "clock", "days", "reached_at", "expected"),
    [
        # Sunday in UTC, already Monday in Tokyo.
        ("Asia/Tokyo", "08:00", (MON,), "2026-11-01T22:30", "2026-11-01T23:00"),
        ("Asia/Tokyo", "08:00", (MON,), "2026-11-01T23:00", "2026-11-01T23:00"),
        ("Asia/Tokyo", "08:00", (MON,), "2026-11-01T23:00:00.000001", "2026-11-08T23:00"),
        ("Asia/Tokyo", "08:00", EVERY_DAY, "2026-11-01T23:00:00.000001", "2026-11-02T23:00"),
        ("Asia/Tokyo", "00:00", (SAT, SUN), "2026-11-02T03:00", "2026-11-06T15:00"),
        # The gap: its end.
        (NEW_YORK, "02:30", EVERY_DAY, "2026-03-08T06:59", "2026-03-08T07:00"),
        (NEW_YORK, "02:30", EVERY_DAY, "2026-03-08T07:00", "2026-03-08T07:00"),
        (NEW_YORK, "02:30", EVERY_DAY, "2026-03-08T07:00:01", "2026-03-09T06:30"),
        # The overlap: the first 01:30 only.
        (NEW_YORK, "01:30", EVERY_DAY, "2026-11-01T05:29", "2026-11-01T05:30"),
        (NEW_YORK, "01:30", EVERY_DAY, "2026-11-01T05:31", "2026-11-02T06:30"),
        (NEW_YORK, "01:30", EVERY_DAY, "2026-11-01T06:30", "2026-11-02T06:30"),
        ("Australia/Lord_Howe", "02:15", EVERY_DAY, "2026-10-03T15:00", "2026-10-03T15:30"),
        ("Australia/Lord_Howe", "01:45", EVERY_DAY, "2026-04-04T15:05", "2026-04-05T15:15"),
        # No Friday, 30 December.
        ("Pacific/Apia", "12:00", (FRI,), "2011-12-24T10:00", "2012-01-05T22:00"),
        ("Pacific/Apia", "12:00", EVERY_DAY, "2011-12-29T22:01", "2011-12-30T22:00"),
        # 00:01 turns to 23:01 of the day before; its 23:30 has been.
        ("America/St_Johns", "23:30", (SAT,), "2010-11-07T02:30:30", "2010-11-14T03:00"),
        ("America/St_Johns", "23:30", EVERY_DAY, "2010-11-07T02:45", "2010-11-08T03:00"),
        ("America/St_Johns", "00:00", (SUN,), "2010-11-07T02:31", "2010-11-14T03:30"),
        ("Africa/Cairo", "00:00", (FRI,), "2010-04-29T20:00", "2010-04-29T22:00"),
        # Saturday's last hour is skipped. Its end is Sunday's first instant and still Saturday's 23:30.
        ("America/Nuuk", "23:30", (SAT,), "2025-03-30T01:00", "2025-03-30T01:00"),
        ("America/Nuuk", "23:30", (SAT,), "2025-03-30T01:00:01", "2025-04-06T00:30"),
    ],
)
def test_until_a_time_of_day(zone: str, clock: str, days: tuple[int, ...], reached_at: str, expected: str) -> None:
    at = until_clock(utc(reached_at), time.fromisoformat(clock), days, ZoneInfo(zone))
    assert at == utc(expected)
    assert at.tzinfo is UTC


@pytest.mark.prove
@settings(derandomize=True, max_examples=rounds(20, 500))
@given(turns(), st.lists(st.integers(0, 6), min_size=1, max_size=7, unique=True).map(tuple), st.data())
def test_it_comes_when_a_watcher_sees_it_come(turn: Turn, days: tuple[int, ...], data: st.DataObject) -> None:
    after = wall(turn.at, turn.zone)
    marks = st.sampled_from([after, after - turn.jump, after - turn.jump / 2, after.replace(hour=0, minute=0)])
    near = st.builds(lambda mark, minutes: (mark + minutes * MINUTE).time(), marks, st.integers(-60, 60))
    clock = data.draw(near | st.times().map(lambda anywhere: anywhere.replace(second=0, microsecond=0)))
    distance = st.timedeltas(-4 * DAY, 2 * DAY) | st.timedeltas(-2 * HOUR, 2 * HOUR) | st.just(0 * DAY)
    reached_at = turn.at + data.draw(distance)
    expected = watched_clock(reached_at, clock, days, turn.zone)
    assert until_clock(reached_at, clock, days, turn.zone) == expected
    # Asked at that instant, it is that instant.
    assert until_clock(expected, clock, days, turn.zone) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-12-24", date(2026, 12, 24)),
        ("2024-02-29", date(2024, 2, 29)),
        ("2026-12-24T18:00:00Z", utc("2026-12-24T18:00")),
        ("2026-12-24t18:00:00z", utc("2026-12-24T18:00")),
        ("2026-12-24 18:00:00Z", utc("2026-12-24T18:00")),
        ("2026-12-24T18:00Z", utc("2026-12-24T18:00")),
        ("2026-12-24T18:00:00+09:00", utc("2026-12-24T09:00")),
        ("2026-12-24T18:00:00-0330", utc("2026-12-24T21:30")),
        ("2026-12-24T18:00:00+09", utc("2026-12-24T09:00")),
        ("2026-12-24T18:00:00-00:00", utc("2026-12-24T18:00")),
        ("2026-12-24T18:00:00.25Z", utc("2026-12-24T18:00:00.250000")),
        ("2026-12-24T18:00:00,123456789Z", utc("2026-12-24T18:00:00.123456")),
        ("2026-12-24T18:00", datetime(2026, 12, 24, 18)),
        ("2026-12-24 18:00:05.5", datetime(2026, 12, 24, 18, 0, 5, 500_000)),
        (datetime(2026, 12, 24, 18, tzinfo=UTC), utc("2026-12-24T18:00")),
        # Epochs, by their size.
        (1_798_135_200, utc("2026-12-24T18:00")),
        (1_798_135_200.5, utc("2026-12-24T18:00:00.500000")),
        (1_798_135_200_000, utc("2026-12-24T18:00")),
        (1_798_135_200_250, utc("2026-12-24T18:00:00.250000")),
        ("1798135200", utc("2026-12-24T18:00")),
        ("1798135200000", utc("2026-12-24T18:00")),
        ("1798135200.5", utc("2026-12-24T18:00:00.500000")),
        (-631_152_000, utc("1950-01-01T00:00")),
        # RFC 3339 with spaces, as Ruby, Go and databases print it.
        ("2027-01-08 06:22:05 UTC", utc("2027-01-08T06:22:05")),
        ("2027-01-08 06:22:05 GMT", utc("2027-01-08T06:22:05")),
        ("2027-01-08 06:22:05 +0100", utc("2027-01-08T05:22:05")),
        ("2027-01-08 06:22:05+00", utc("2027-01-08T06:22:05")),
        ("2027-01-08 06:22:05.123 +0000 UTC", utc("2027-01-08T06:22:05.123000")),
        ("2027-01-08 06:22:05 -0300 -03 m=+0.000012", utc("2027-01-08T09:22:05")),
        ("2026-12-24T18:00 Z", utc("2026-12-24T18:00")),
        # The end of a day, and a leap second.
        ("2026-12-24T24:00Z", utc("2026-12-25T00:00")),
        ("2026-12-24 24:00:00,0", datetime(2026, 12, 25)),
        ("2016-12-31T23:59:60Z", utc("2017-01-01T00:00")),
        ("2017-01-01T08:59:60.5+09:00", utc("2017-01-01T00:00:00.500000")),
        # RFC 2822, and what JavaScript makes of a date.
        ("Fri, 08 Jan 2027 06:22:05 +0000", utc("2027-01-08T06:22:05")),
        ("Fri, 8 Jan 2027 06:22:05 GMT", utc("2027-01-08T06:22:05")),
        ("8 Jan 2027 06:22 -0500", utc("2027-01-08T11:22")),
        ("Fri, 08 Jan 2027 06:22:05 -0000", utc("2027-01-08T06:22:05")),
        ("Fri, 08 Jan 2027 06:22:05 EST", utc("2027-01-08T11:22:05")),
        ("Fri Jan 08 2027 07:22:05 GMT+0100 (Central European Standard Time)", utc("2027-01-08T06:22:05")),
        (datetime(2026, 12, 24, 18, tzinfo=ZoneInfo("Asia/Tokyo")), utc("2026-12-24T09:00")),
    ],
)
def test_what_names_a_moment(value: object, expected: date | datetime) -> None:
    moment = read_moment(value)
    assert type(moment) is type(expected)
    assert moment == expected
    if isinstance(moment, datetime) and isinstance(expected, datetime):
        assert moment.tzinfo is expected.tzinfo


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        14,
        20_270_108,
        99_999_999,
        100_000_000_000_000,
        float("nan"),
        float("inf"),
        "14",
        "01798135200000000",
        "Fri, 32 Jan 2027 06:22:05 +0000",
        "Fri, 08 Foo 2027 06:22:05 +0000",
        "01/08/2027",
        "2027-01-08 06:22:05 Mars",
        b"2026-12-24",
        ["2026-12-24"],
        {"date": "2026-12-24"},
        date(2026, 12, 24),
        datetime(2026, 12, 24),
        "",
        "tomorrow",
        "20261224",
        "2026-W52-4",
        "2026-358",
        "2026-12",
        "2026-2-3",
        "24.12.2026",
        "2026-02-29",
        "2026-13-01",
        "0000-01-01",
        "10000-01-01",
        "-2026-12-24",
        " 2026-12-24",
        "2026-12-24\n",
        "2026-12-24T",
        "2026-12-24Z",
        "2026-12-24+02:00",
        "2026-12-24x18:00Z",
        "2026-12-24T18Z",
        "2026-12-24T24:00:01Z",
        "2026-12-24T24:01Z",
        "9999-12-31T24:00Z",
        "2026-12-24T18:60Z",
        "2026-12-24T18:00:61Z",
        "2026-12-24T18:00:00.Z",
        "2026-12-24T18:00+24:00",
        "2026-12-24T18:00 Europe/Berlin",
        "2026-12-24T18:00\0",
        "\u0662026-12-24",
        "٢٠٢٦-١٢-٢٤",
        "0001-01-01T00:00+01:00",
        "9999-12-31T23:59-01:00",
        datetime.min.replace(tzinfo=timezone(HOUR)),
        datetime.max.replace(tzinfo=timezone(-HOUR)),
    ],
)
def test_what_names_none(value: object) -> None:
    assert read_moment(value) is None


OFFSETS = st.timedeltas(-23 * HOUR, 23 * HOUR).map(lambda offset: timezone(offset // MINUTE * MINUTE))


@settings(derandomize=True, max_examples=150)
@given(st.datetimes(timezones=st.none() | OFFSETS), st.sampled_from("Tt "))
def test_what_is_written_is_read(moment: datetime, separator: str) -> None:
    read = read_moment(moment.isoformat(sep=separator))
    try:
        expected = moment if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        assert read is None
    else:
        assert read == expected
    assert read_moment(moment.date().isoformat()) == moment.date()


@settings(derandomize=True, max_examples=150)
@given(st.text() | st.text("0123456789-+:.,TtZz ", min_size=8, max_size=30))
def test_no_text_does_harm(text: str) -> None:
    moment = read_moment(text)
    assert moment is None or moment.isoformat()[:10].replace("-", "").isdigit()


CHRISTMAS = date(2026, 12, 24)
H, D = 3_600, 86_400


@pytest.mark.parametrize(
    ("moment", "offset", "clock", "zone", "expected"),
    [
        (CHRISTMAS, 0, None, "Europe/Berlin", "2026-12-23T23:00"),
        (CHRISTMAS, 0, "10:30", "Europe/Berlin", "2026-12-24T09:30"),
        (CHRISTMAS, -3 * D, "10:00", "Europe/Berlin", "2026-12-21T09:00"),
        (CHRISTMAS, -(3 * D + 12 * H), "10:00", "Europe/Berlin", "2026-12-20T21:00"),
        (CHRISTMAS, 3 * D + 12 * H, "10:00", "Europe/Berlin", "2026-12-27T21:00"),
        (CHRISTMAS, -1, "10:00", "Europe/Berlin", "2026-12-24T08:59:59"),
        (CHRISTMAS, 14 * D, "10:00", "Europe/Berlin", "2027-01-07T09:00"),
        # A wall clock's own time, and another in its place.
        (datetime(2026, 12, 24, 18, 15), 0, None, "Asia/Tokyo", "2026-12-24T09:15"),
        (datetime(2026, 12, 24, 18, 15), D, "08:00", "Asia/Tokyo", "2026-12-24T23:00"),
        (datetime(2026, 11, 1, 1, 30, fold=1), 0, None, NEW_YORK, "2026-11-01T05:30"),
        # An instant moves by elapsed time, unless a clock asks for its local day.
        (utc("2026-12-24T18:00"), -(3 * D + 12 * H), None, "Asia/Tokyo", "2026-12-21T06:00"),
        (utc("2026-12-24T18:00"), 0, "08:00", "Asia/Tokyo", "2026-12-24T23:00"),
        (utc("2026-12-24T14:59:59"), 0, "08:00", "Asia/Tokyo", "2026-12-23T23:00"),
        (utc("2026-12-24T18:00"), -D, "08:00", NEW_YORK, "2026-12-23T13:00"),
        # Calendar days across a turn are not 24 hours each; the rest of an offset is elapsed time.
        (date(2026, 3, 7), D, "12:00", NEW_YORK, "2026-03-08T16:00"),
        (datetime(2026, 3, 7, 12), D, None, NEW_YORK, "2026-03-08T16:00"),
        (utc("2026-03-07T17:00"), D, None, NEW_YORK, "2026-03-08T17:00"),
        (datetime(2026, 3, 7, 12, tzinfo=ZoneInfo(NEW_YORK)), D, None, NEW_YORK, "2026-03-08T17:00"),
        (date(2026, 3, 9), -D, "02:30", NEW_YORK, "2026-03-08T07:00"),
        (date(2026, 3, 8), 3 * H, "00:00", NEW_YORK, "2026-03-08T08:00"),
        (date(2026, 11, 1), 0, "01:30", NEW_YORK, "2026-11-01T05:30"),
        # Before a day that does not exist, that day, and from one.
        (date(2011, 12, 29), D, "12:00", "Pacific/Apia", "2011-12-30T10:00"),
        (date(2011, 12, 31), -2 * D, "12:00", "Pacific/Apia", "2011-12-29T22:00"),
        (date(2011, 12, 30), 0, None, "Pacific/Apia", "2011-12-30T10:00"),
        (date(2010, 4, 30), 0, None, "Africa/Cairo", "2010-04-29T22:00"),
        # Out of the years.
        (date.min, 0, None, "Asia/Tokyo", None),
        (date.max, 0, "23:00", NEW_YORK, None),
        (date.max, D, None, "UTC", None),
        (date.min, -D, None, "UTC", None),
        (CHRISTMAS, 10**30, None, "UTC", None),
        (CHRISTMAS, -(10**30), "10:00", "UTC", None),
        (utc("2026-12-24T18:00"), 10**30, None, "UTC", None),
        (utc("9999-12-31T23:00"), H, None, "UTC", None),
        (utc("9999-12-31T23:00"), 0, "08:00", "Asia/Tokyo", None),
        (utc("9999-12-31T23:00"), 0, None, "UTC", "9999-12-31T23:00"),
        # In Tokyo it is in the year 10,000.
        (utc("9999-12-31T23:00"), 0, None, "Asia/Tokyo", None),
        (utc("0001-01-01T00:00"), 0, None, NEW_YORK, None),
    ],
)
def test_until_a_moment(
    moment: date | datetime, offset: int, clock: str | None, zone: str, expected: str | None
) -> None:
    at = until_moment(moment, offset, None if clock is None else time.fromisoformat(clock), ZoneInfo(zone))
    assert at == (None if expected is None else utc(expected))
    assert at is None or at.tzinfo is UTC


@settings(derandomize=True, max_examples=300)
@given(
    st.dates() | st.datetimes() | st.datetimes(timezones=st.just(UTC)),
    st.integers() | st.integers(-400 * D, 400 * D),
    st.none() | st.times(),
    st.sampled_from(sorted(zone_names())).map(ZoneInfo),
)
def test_no_moment_and_no_offset_does_harm(
    moment: date | datetime, offset: int, clock: time | None, zone: ZoneInfo
) -> None:
    at = until_moment(moment, offset, clock, zone)
    assert at is None or (at.tzinfo is UTC and at.astimezone(zone) == at)


@settings(derandomize=True, max_examples=90)
@given(turns(), st.integers(-5, 5), st.integers(-5, 5), st.integers(0, D - 1), st.times())
def test_days_are_the_calendars_and_seconds_the_stopwatchs(
    turn: Turn, distance: int, days: int, seconds: int, clock: time
) -> None:
    day = wall(turn.at, turn.zone).date() + distance * DAY
    aimed = date.fromordinal(day.toordinal() + days)
    sign = -1 if days < 0 else 1
    expected = instant(aimed, clock, turn.zone) + timedelta(seconds=sign * seconds)
    assert until_moment(day, days * D + sign * seconds, clock, turn.zone) == expected
    assert until_moment(datetime.combine(day, clock), days * D + sign * seconds, None, turn.zone) == expected
    assert until_moment(turn.at, days * D + sign * seconds, None, turn.zone) == turn.at + timedelta(
        days=days, seconds=sign * seconds
    )
