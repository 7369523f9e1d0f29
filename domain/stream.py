"""Positions in the stream of committed rows."""

from typing import Final, Literal, get_args
from uuid import UUID

from msgspec import Struct

StreamKind = Literal["event", "decision", "message", "conversion"]
# In this order within one transaction: what it decided follows the event that caused it.
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
