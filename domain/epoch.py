"""Instants as microseconds since 1970, which JSON keeps exactly."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(at: datetime) -> int:
    """Return the microseconds of an aware datetime."""
    return (at - _EPOCH) // _MICROSECOND


def from_microseconds(at: int) -> datetime:
    """Return the datetime of microseconds, in UTC."""
    return _EPOCH + timedelta(microseconds=at)
