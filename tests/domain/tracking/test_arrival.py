"""Clocks of clients: what cannot be counts as the arrival, and what was said is kept."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.domain.tracking.calls import RECEIVED, event, of_items

YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)
IMPOSSIBLE: list[tuple[Any, str | None, datetime]] = [
    ("0001-01-01T00:00:00Z", None, YEAR_ONE),
    ("0001-01-01T00:00:00+01:00", None, YEAR_ONE),
    ("1970-01-01T00:00:00Z", None, datetime(1970, 1, 1, tzinfo=UTC)),
    ("1989-12-31T23:59:59Z", None, datetime(1989, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ("2569-03-05T10:00:00Z", None, datetime(2569, 3, 5, 10, tzinfo=UTC)),
    ("2026-11-01T13:00:01Z", None, datetime(2026, 11, 1, 13, 0, 1, tzinfo=UTC)),
    ("9999-12-31T23:59:59-01:00", None, datetime.max.replace(tzinfo=UTC)),
    ("9999-12-31T24:00:00Z", None, datetime.max.replace(tzinfo=UTC)),
    ("2026-11-15T12:00:00Z", "2026-11-01T12:00:00Z", datetime(2026, 11, 15, 12, tzinfo=UTC)),
    ("2026-11-01T11:00:00Z", "1970-01-01T00:00:05Z", datetime(2026, 11, 1, 11, tzinfo=UTC)),
    ("1970-01-01T00:00:00Z", "2026-11-01T12:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
    ("0001-01-02T00:00:00Z", "9999-12-31T00:00:00Z", datetime(1, 1, 2, tzinfo=UTC)),
    (0, None, datetime(1970, 1, 1, tzinfo=UTC)),
    (-62_135_596_800, None, YEAR_ONE),
    (1e300, None, datetime.max.replace(tzinfo=UTC)),
]
POSSIBLE: list[tuple[Any, str | None, datetime]] = [
    ("1990-01-01T00:00:00Z", None, datetime(1990, 1, 1, tzinfo=UTC)),
    ("2026-11-01T13:00:00Z", None, RECEIVED + timedelta(hours=1)),
    ("1970-01-01T00:00:00Z", "1970-01-01T00:05:00Z", RECEIVED - timedelta(minutes=5)),
    ("2569-03-05T10:00:00Z", "2569-03-05T10:00:01Z", RECEIVED - timedelta(seconds=1)),
    (1_793_530_800, None, datetime(2026, 11, 1, 11, tzinfo=UTC)),
    (1_793_530_800_250, None, datetime(2026, 11, 1, 11, 0, 0, 250_000, tzinfo=UTC)),
    ("1793530800", None, datetime(2026, 11, 1, 11, tzinfo=UTC)),
    ("", None, RECEIVED),
    (" ", "2026-11-01T11:00:00Z", RECEIVED),
]


@pytest.mark.parametrize(("timestamp", "sent_at", "reported"), IMPOSSIBLE)
def test_an_impossible_clock_counts_as_the_arrival(timestamp: Any, sent_at: str | None, reported: datetime) -> None:
    [got] = of_items({"type": "page", "userId": "u", "timestamp": timestamp}, sentAt=sent_at).events
    assert (got.timestamp, got.reported_timestamp) == (RECEIVED, reported)


@pytest.mark.parametrize(("timestamp", "sent_at", "expected"), POSSIBLE)
def test_a_possible_clock_counts(timestamp: Any, sent_at: str | None, expected: datetime) -> None:
    [got] = of_items({"type": "page", "userId": "u", "timestamp": timestamp}, sentAt=sent_at).events
    assert (got.timestamp, got.reported_timestamp) == (expected, None)


LOOSE = [
    ("2015-2-02T03:04:05Z", "2015-02-02T03:04:05+00:00"),
    ("2015-2-2T3:4:5.6Z", "2015-02-02T03:04:05.600000+00:00"),
    ("2015-02-02t03:04:05z", "2015-02-02T03:04:05+00:00"),
    ("2015-02-02 03:04:05 +0000", "2015-02-02T03:04:05+00:00"),
    ("2015-02-02 03:04:05 UTC", "2015-02-02T03:04:05+00:00"),
    ("2015-02-02 03:04:05 -08:00", "2015-02-02T11:04:05+00:00"),
    ("2015-02-02T03:04:05+1", "2015-02-02T02:04:05+00:00"),
    ("2015-2-2", "2015-02-02T00:00:00+00:00"),
    ("2015/2/2 3:04", "2015-02-02T03:04:00+00:00"),
    (" 2015-02-02T03:04:05.123456789Z\n", "2015-02-02T03:04:05.123456+00:00"),
    ("2015-02-02T03:04:05,5Z", "2015-02-02T03:04:05.500000+00:00"),
    ("2015-02-02T24:00:00Z", "2015-02-03T00:00:00+00:00"),
    ("2015-02-02T24:00:00.000Z", "2015-02-03T00:00:00+00:00"),
    ("2015-12-31 24:00+09:00", "2015-12-31T15:00:00+00:00"),
    ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00"),
    ("2017-01-01T08:59:60.250+09:00", "2017-01-01T00:00:00.250000+00:00"),
    ("2015-02-02 10:00:00 +0000 UTC", "2015-02-02T10:00:00+00:00"),
    ("2015-02-02 10:00:00.123456789 +0100 CET", "2015-02-02T09:00:00.123456+00:00"),
    ("2015-02-02 07:00:00 -0300 -03", "2015-02-02T10:00:00+00:00"),
    ("2015-02-02 10:00:00.5 +0545 +0545 m=+0.000012345", "2015-02-02T04:15:00.500000+00:00"),
]


@pytest.mark.parametrize(("text", "expected"), LOOSE)
def test_loosely_written_timestamps_are_read(text: str, expected: str) -> None:
    got = event(timestamp=text)
    assert (got.timestamp.isoformat(), got.reported_timestamp) == (expected, None)


@pytest.mark.parametrize(
    "text",
    [
        *("2015-13-02T00:00:00Z", "2015-2-30T0:0:0Z", "2-2-2015", "02/02/2015", "2015-2-2T25:00Z"),
        *("2015-02-02T24:00:01Z", "2015-02-02T24:01:00Z", "2015-02-02T23:59:61Z", "2015-02-02 10:00:00 UTC UTC"),
    ],
)
def test_what_names_no_instant_is_still_refused(text: str) -> None:
    [refused] = of_items({"type": "page", "userId": "u", "timestamp": text}).rejects
    assert "timestamp must be ISO 8601" in refused.error
