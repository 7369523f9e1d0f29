"""The time of a reported call, by the deployment's clock."""

from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct

# Before the web. A device without a battery, an empty field or a date of year 1 is earlier.
EARLIEST_POSSIBLE: Final = datetime(1990, 1, 1, tzinfo=UTC)
# The most that an event may lie in the future: clients without `sentAt` may run ahead.
MAX_AHEAD: Final = timedelta(hours=1)


class Occurrence(Struct, frozen=True):
    """When something happened. If the clock was impossible, `reported` is its time.

    `timestamp` is then the arrival.
    """

    timestamp: datetime
    reported: datetime | None = None


def correct(reported: datetime, sent_at: datetime | None, received_at: datetime) -> Occurrence:
    """Correct a reported time by the skew of the client's clock, if it is known.

    An impossible time is replaced by the arrival.
    """
    try:
        timestamp = reported if sent_at is None else received_at - (sent_at - reported)
    except OverflowError:
        return Occurrence(received_at, reported)
    if EARLIEST_POSSIBLE <= timestamp <= received_at + MAX_AHEAD:
        return Occurrence(timestamp)
    return Occurrence(received_at, reported)
