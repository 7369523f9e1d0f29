"""Read when to call again: RFC 9110, 10.2.3, and headers of other forms."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

# No header stops a campaign for longer; the next answer says it anew.
MAX_RETRY_AFTER: Final = 300.0

_NUMBER: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")


def read_retry_after(value: str | None, now: datetime) -> float | None:
    """Return seconds from a number of them or a date, at most five minutes; else None."""
    if value is None:
        return None
    if _NUMBER.fullmatch(value.strip()):
        return min(float(value), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return _until(moment.replace(tzinfo=moment.tzinfo or UTC), now)


def read_epoch(value: str | None, now: datetime) -> float | None:
    """Return seconds until an instant in seconds since 1970, at most five minutes."""
    if value is None or not _NUMBER.fullmatch(value.strip()):
        return None
    return min(max(0.0, float(value) - now.timestamp()), MAX_RETRY_AFTER)


def _until(moment: datetime, now: datetime) -> float:
    return min(max(0.0, (moment - now).total_seconds()), MAX_RETRY_AFTER)
