"""When a reported call happened, by the deployment's clock."""

from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct

# Before the web had pages. What a device without a battery, an empty field or a date of year 1 says is before it.
EARLIEST_POSSIBLE: Final = datetime(1990, 1, 1, tzinfo=UTC)
# How much later than its arrival an event may have happened: clients that are not corrected by `sentAt` run ahead.
MAX_AHEAD: Final = timedelta(hours=1)


class Occurrence(Struct, frozen=True):
    """When something happened. `reported` is what an impossible clock said; then `timestamp` is the arrival."""

    timestamp: datetime
    reported: datetime | None = None


def correct(reported: datetime, sent_at: datetime | None, received_at: datetime) -> Occurrence:
    """As long before the arrival as, by the client's clock, before the sending; as reported, where that is not known.

    A clock that says what cannot be counts for nothing.
    """
    try:
        timestamp = reported if sent_at is None else received_at - (sent_at - reported)
    except OverflowError:
        return Occurrence(received_at, reported)
    if EARLIEST_POSSIBLE <= timestamp <= received_at + MAX_AHEAD:
        return Occurrence(timestamp)
    return Occurrence(received_at, reported)
