"""The stream as clients read it."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import timedelta
from time import monotonic
from typing import Final

from msgspec import Struct

from domain.errors import OutdatedCursorError
from domain.stream import BEGINNING, StreamCursor, StreamKind, end_of
from store import stream
from store.database import Connection, Database
from store.stream import Horizon, StreamRow

# The interval of looks while a call waits for rows, in seconds.
LOOK_INTERVAL: Final = 1.0
# A row is recorded before the cursor behind it is given. So much may a server's clock have been set back, in seconds.
MAX_CLOCK_STEP: Final = timedelta(seconds=1)


class StreamedRows(Struct, frozen=True):
    """Rows with their cursors, and the cursor to read on from."""

    rows: Sequence[tuple[str, StreamRow]]
    next: str
    has_more: bool


class Stream:
    """Reads committed rows at least once, from any cursor that was ever given."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(
        self,
        after: StreamCursor | None,
        kinds: Collection[StreamKind],
        limit: int,
        *,
        is_from_end: bool = False,
        wait: float = 0.0,
    ) -> StreamedRows:
        """Return the rows after a cursor, or the first ones; wait if there are none.

        With `is_from_end` it begins with what is recorded from now on. Raises OutdatedCursorError for a cursor of a
        database that was restored since.
        """
        deadline = monotonic() + wait
        position = BEGINNING if after is None else after.position
        is_first = True
        while True:
            async with self._database.transaction() as connection:
                horizon = await stream.read_horizon(connection)
                if is_first and after is not None:
                    await _require_current(connection, after, horizon)
                if is_first and is_from_end:
                    position = end_of(horizon.xid - 1)
                page = await stream.read_page(connection, horizon, position, kinds, limit)
            is_first, position = False, page.end
            if page.rows or (seconds := deadline - monotonic()) <= 0:
                break
            await asyncio.sleep(min(LOOK_INTERVAL, seconds))

        def cursor(row: StreamRow) -> str:
            return StreamCursor(horizon.system_identifier, row.position, horizon.at).encode()

        return StreamedRows(
            [(cursor(row), row) for row in page.rows],
            StreamCursor(horizon.system_identifier, position, horizon.at).encode(),
            page.has_more,
        )


async def _require_current(connection: Connection, cursor: StreamCursor, horizon: Horizon) -> None:
    """Raise OutdatedCursorError if rows may precede the cursor that it has not passed.

    A restored database repeats transaction ids: rows that were recorded after the cursor was given then have places
    before it. Their absence proves that the cursor skips nothing.
    """
    position = cursor.position
    if cursor.system_identifier == horizon.system_identifier and position.xid < horizon.next_xid:
        recorded_at = await stream.last_recorded(connection, position.xid)
        if recorded_at is None or recorded_at <= cursor.given_at + MAX_CLOCK_STEP:
            return
    raise OutdatedCursorError(
        "the database was restored from a backup since this cursor was given, and reading on would skip rows: read "
        "again without `after`, and drop what you have by its id"
    )
