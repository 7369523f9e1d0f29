"""Retry failed messages: each page takes some, and starts a workflow for each."""

from typing import Final

from msgspec import Struct, convert

from application.retries import start_retry
from domain.sending.retries import RetryFilter
from store import outbox, retries
from store.database import Connection
from store.operations import Operation, Page

# Messages of a page, and how many are retried a second.
PAGE: Final = 500
RATE: Final = 500.0
# Backpressure: stop while this many bulk outbox rows are pending; check again after this time.
MAX_WAITING: Final = 2_000
REST: Final = 0.5


class RetryParameters(Struct, frozen=True):
    """The parameters: a selection of messages that had failed by the request."""

    selection: RetryFilter


class RetryHandler:
    """Retries the failed messages of a selection, each once."""

    async def total(self, connection: Connection, operation: Operation) -> int:
        return await retries.count_all(connection, _selection(operation), connection.clock.now())

    async def page(self, connection: Connection, operation: Operation) -> Page:
        """Take a page of messages. The timeline of each has the answer of the gate."""
        if await outbox.count_bulk(connection, MAX_WAITING) == MAX_WAITING:
            return Page(operation.cursor, pause=REST)
        page = await retries.take_page(
            connection, _selection(operation), operation.id, operation.cursor, connection.clock.now(), PAGE
        )
        starts = [start_retry(message, operation.id) for message in page.taken]
        if starts:
            await outbox.append(connection, starts, bulk=True)
        counts = {"retried": len(starts), **page.passed_over}
        return Page(
            cursor=page.after or operation.cursor,
            done=len(starts) + page.passed_over.total(),
            counts={name: number for name, number in counts.items() if number},
            is_last=page.after is None,
            pause=len(starts) / RATE,
        )


def _selection(operation: Operation) -> RetryFilter:
    return convert(operation.parameters, RetryParameters).selection
