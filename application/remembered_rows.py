"""Rows that are looked up for each request, and remembered for a second."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from typing import Final, Generic, TypeVar

import psycopg

from store.database import Connection, Database

# How long a row counts: the longest time that a revocation takes to be heard of, in exchange for a query saved for each
# request. Seconds.
REMEMBERED_SECONDS: Final = 1.0
# Ids in one query.
IDS_A_QUERY: Final = 500
# Rows that are remembered before those that count no more are forgotten.
MAX_REMEMBERED: Final = 10_000

AnyRow = TypeVar("AnyRow")


class RememberedRows(Generic[AnyRow]):
    """The rows of one table by id, each asked for once a second.

    One query at a time asks for all pending ids, so that any number of wrong ids takes one connection of the pool.
    """

    def __init__(
        self,
        database: Database,
        find: Callable[[Connection, Sequence[str]], Awaitable[Mapping[str, AnyRow]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._find = find
        self._clock = clock
        self._remembered: dict[str, tuple[float, AnyRow]] = {}
        self._asked: dict[str, asyncio.Future[AnyRow | None]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def get(self, id: str) -> AnyRow | None:
        """Return a row as of REMEMBERED_SECONDS ago at most; None if there is none.

        Raises psycopg.Error if the database is needed and away.
        """
        asked_at, row = self._remembered.get(id, (-REMEMBERED_SECONDS, None))
        return row if self._clock() - asked_at < REMEMBERED_SECONDS else await self._look_up(id)

    def replace(self, id: str, row: AnyRow) -> None:
        """Replace a row by a newer one, which counts no longer than the one before."""
        asked_at, _ = self._remembered.get(id, (self._clock(), row))
        self._remembered[id] = asked_at, row

    def forget(self, id: str) -> None:
        """Forget a row: this process hears of its change at once."""
        self._remembered.pop(id, None)

    async def _look_up(self, id: str) -> AnyRow | None:
        """Look a row up in the database, as of after the call."""
        answer = self._asked.get(id)
        if answer is None:
            answer = self._asked[id] = asyncio.get_running_loop().create_future()
            # A caller that leaves must not cancel it for the others.
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        if self._asking is None or self._asking.done():
            # It belongs to no request.
            self._asking = asyncio.create_task(self._ask(), context=Context())
        return await asyncio.shield(answer)

    async def _ask(self) -> None:
        while self._asked:
            answers = {id: self._asked.pop(id) for id in list(self._asked)[:IDS_A_QUERY]}
            # As of the request's time: a revocation may commit while the answer is on its way.
            asked_at = self._clock()
            try:
                async with self._database.transaction() as connection:
                    found = await self._find(connection, list(answers))
            except psycopg.Error as error:
                for answer in answers.values():
                    answer.set_exception(error)
                continue
            except BaseException:
                for answer in answers.values():
                    answer.cancel()
                raise
            self._drop_old(asked_at)
            for id, answer in answers.items():
                self._remembered.pop(id, None)
                if id in found:
                    self._remembered[id] = asked_at, found[id]
                answer.set_result(found.get(id))

    def _drop_old(self, now: float) -> None:
        if len(self._remembered) >= MAX_REMEMBERED:
            kept = {id: row for id, row in self._remembered.items() if now - row[0] < REMEMBERED_SECONDS}
            self._remembered = kept
