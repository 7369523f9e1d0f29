"""Lists in pages, with a cursor at the last item seen.

Items that come and go do not shift pages.

rows = await services.things.list(limit=limit + 1, after=position(after, tuple[datetime, str]))
items, next = cut(rows, limit, lambda row: (row.created_at, row.id))
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec
from fastapi import Query

from api.dependencies import FIRST_YEAR, LAST_YEAR, TextField
from domain.errors import InvalidCursorError

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=500, description="how many at most", examples=[100])]
# For lists that programs read whole.
LimitOrAll = Annotated[
    int | None, Query(ge=1, le=500, description="how many at most; all, if it is left out", examples=[100])
]
After = Annotated[TextField | None, Query(max_length=1024, description="`next` of the page before")]
DEFAULT_LIMIT = 100


def cut(rows: Sequence[T], limit: int, place: Callable[[T], object]) -> tuple[Sequence[T], str | None]:
    """Split off the extra row of `limit + 1`; return the page and the next cursor."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], cursor(place(rows[limit - 1]))


def cut_or_all(rows: Sequence[T], limit: int | None, place: Callable[[T], object]) -> tuple[Sequence[T], str | None]:
    """Split off the extra row as `cut` does; a list without a limit is whole."""
    return (rows, None) if limit is None else cut(rows, limit, place)


def one_more(limit: int | None) -> int | None:
    """Return how many rows `cut_or_all` needs."""
    return None if limit is None else limit + 1


def cursor(place: object) -> str:
    """Encode a position as the opaque `after` of the next call; it is not a secret."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def position(after: str | None, place: type[T]) -> T | None:
    """Decode a cursor; None without one. Raises InvalidCursorError."""
    if after is None:
        return None
    try:
        padded = (after + "=" * (-len(after) % 4)).encode("ascii")
        found = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=place)
        _require_storable(found)
    except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise InvalidCursorError("this is not a cursor of this list: pass `next` of the page before") from error
    return found


def _require_storable(place: object) -> None:
    """Raise ValueError for a value that no row of PostgreSQL can hold."""
    match place:
        case str() if "\0" in place:
            raise ValueError("U+0000")
        case bool():
            pass
        case int() if not -(2**63) <= place < 2**63:
            raise ValueError("no bigint")
        case datetime() if not FIRST_YEAR <= place.year <= LAST_YEAR:
            raise ValueError("no instant of a row")
        case tuple() | list():
            for part in place:
                _require_storable(part)
