"""Positions in the stream of committed rows."""

import base64
import struct
from datetime import datetime
from typing import Final, Literal, get_args
from uuid import UUID

from msgspec import Struct

from domain.epoch import from_microseconds, to_microseconds
from domain.errors import InvalidCursorError

StreamKind = Literal["event", "decision", "message", "conversion", "profile"]
# The rows of a profile went to another one, came back, or were deleted.
ProfileOutcome = Literal["merged", "separated", "erased"]
# The order within one transaction: decisions follow the event that caused them.
STREAM_KINDS: Final[tuple[StreamKind, ...]] = get_args(StreamKind)

_FIRST_ID: Final = UUID(int=0)
_LAST_ID: Final = UUID(int=2**128 - 1)


class StreamPosition(Struct, frozen=True):
    """The place of a row: its transaction, its kind, and its id."""

    xid: int
    kind: StreamKind
    id: UUID

    @property
    def place(self) -> tuple[int, int, UUID]:
        """Return the place, for comparisons."""
        return self.xid, STREAM_KINDS.index(self.kind), self.id

    def after_id(self, kind: StreamKind) -> tuple[int, UUID]:
        """Return the transaction and id after which the rows of a kind follow."""
        before, own = STREAM_KINDS.index(kind), STREAM_KINDS.index(self.kind)
        if before == own:
            return self.xid, self.id
        return self.xid, _LAST_ID if before < own else _FIRST_ID


# Before every row.
BEGINNING: Final = StreamPosition(0, STREAM_KINDS[0], _FIRST_ID)


def end_of(xid: int) -> StreamPosition:
    """Return the position after all rows of a transaction."""
    return StreamPosition(xid, STREAM_KINDS[-1], _LAST_ID)


class StreamCursor(Struct, frozen=True):
    """A position as clients keep it: in which cluster, and when it was given."""

    system_identifier: int
    position: StreamPosition
    given_at: datetime

    def encode(self) -> str:
        """Encode as the opaque text of the API; it is not a secret."""
        position = self.position
        kind, given_at = STREAM_KINDS.index(position.kind), to_microseconds(self.given_at)
        packed = _CURSOR.pack(self.system_identifier, position.xid, kind, position.id.bytes, given_at)
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode_cursor(text: str) -> StreamCursor:
    """Decode a cursor. Raises InvalidCursorError."""
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        system_identifier, xid, kind, id, given_at = _CURSOR.unpack(packed)
        if not 0 <= xid < 2**63:
            raise ValueError("no bigint")
        position = StreamPosition(xid, STREAM_KINDS[kind], UUID(bytes=id))
        return StreamCursor(system_identifier, position, from_microseconds(given_at))
    except (ValueError, IndexError, OverflowError, struct.error) as error:
        raise InvalidCursorError(
            "this is not a cursor of the stream: pass `next`, or the `cursor` of an item, unchanged"
        ) from error


# The cluster, the transaction, the kind, the id, and microseconds since 1970.
_CURSOR: Final = struct.Struct(">qqB16sq")
