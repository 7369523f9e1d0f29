"""The period that a read over history covers."""

from datetime import datetime, timedelta
from typing import Final

from domain.errors import InvalidRequestError

DEFAULT_PERIOD: Final = timedelta(days=30)


def find_begin(begin: datetime | None, end: datetime) -> datetime:
    """Return where a period begins: by default 30 days before its end.

    Raises InvalidRequestError if it ends before it begins.
    """
    begin = begin or end - DEFAULT_PERIOD
    if begin >= end:
        raise InvalidRequestError(
            f"`from` is not earlier than `to`: {begin:%Y-%m-%dT%H:%M:%SZ} and {end:%Y-%m-%dT%H:%M:%SZ}"
        )
    return begin
