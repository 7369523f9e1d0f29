"""Consumers of the stream: each has every committed row at least once, in order."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from domain.long_work import TooMuchWork
from domain.stream import StreamKind
from store import stream, stream_consumers
from store.database import Connection, Database
from store.stream import StreamRow

# Rows of one transaction.
PAGE = 1_000


class Consumer(Protocol):
    """Something that follows the stream.

    `consume` gets a page in the transaction that moves the consumer on. So what it writes on this connection is done
    exactly once for each row; what it does elsewhere is done at least once, and must bear repetition. An error of it
    repeats the page; TooMuchWork, a smaller one.
    """

    @property
    def name(self) -> str:
        """Return the name of its position. Another name begins with the first row."""
        ...

    @property
    def kinds(self) -> Collection[StreamKind]:
        """Return the kinds of rows that it wants."""
        ...

    async def consume(self, connection: Connection, rows: Sequence[StreamRow]) -> None:
        """Process rows, in their order."""
        ...


class ConsumedPage(Struct, frozen=True):
    """The number of rows processed, and the age of the last one in seconds."""

    number: int
    behind: float
    has_more: bool


async def consume_page(database: Database, consumer: Consumer, limit: int = PAGE) -> ConsumedPage | None:
    """Give a consumer its next page, in one transaction.

    None if another worker has the consumer. Nothing is written without rows: the next look begins at the same position,
    which costs a few reads of an index. A page of more work than one transaction is taken in parts.
    """
    while True:
        try:
            return await _consume_rows(database, consumer, limit)
        except TooMuchWork:
            if limit == 1:
                raise
            limit //= 2


async def _consume_rows(database: Database, consumer: Consumer, limit: int) -> ConsumedPage | None:
    async with database.transaction() as connection:
        position = await stream_consumers.lock_consumer(connection, consumer.name)
        if position is None:
            return None
        horizon = await stream.read_horizon(connection)
        page = await stream.read_page(connection, horizon, position, consumer.kinds, limit)
        if not page.rows:
            return ConsumedPage(0, 0.0, has_more=False)
        await consumer.consume(connection, page.rows)
        await stream_consumers.move_consumer(connection, consumer.name, page.end)
        return ConsumedPage(len(page.rows), _seconds(page.rows[-1].recorded_at, horizon.at), page.has_more)


def _seconds(since: datetime, until: datetime) -> float:
    return max(0.0, (until - since).total_seconds())
