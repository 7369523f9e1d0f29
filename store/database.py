"""Connections to PostgreSQL: one pool a process, one transaction a request or activity."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Self

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool

# How long a request waits for a connection before the caller is told to come again, in seconds.
CONNECTION_TIMEOUT = 2.0
# How long a statement waits for what another transaction holds, which is short where nothing is wrong: a connection
# that waits longer is missed by all others.
LOCK_TIMEOUT = "5s"

Connection = AsyncConnection[DictRow]


@dataclass(frozen=True, slots=True)
class _Work:
    """A transaction that others of its task join."""

    database: "Database"
    task: asyncio.Task[Any] | None
    connection: Connection


_WORK: ContextVar[_Work | None] = ContextVar("work", default=None)


class Database:
    """The pool, and transactions from it. Inner code never commits: leaving the transaction does."""

    def __init__(self, url: str, *, pool_size: int) -> None:
        self.url = url
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=pool_size,
            open=False,
            timeout=CONNECTION_TIMEOUT,
            connection_class=AsyncConnection[DictRow],
            kwargs={
                "row_factory": dict_row,
                "options": f"-c timezone=UTC -c lock_timeout={LOCK_TIMEOUT}",
                "application_name": "sojourn",
            },
            configure=configure,
        )

    async def __aenter__(self) -> Self:
        await self._pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction: committed when the block is left, rolled back when it raises.

        In a unit of work of the same task it is a part of that one (a savepoint): it commits with the whole.
        """
        work = _WORK.get()
        # A task that was started in a unit of work inherits its context, and is none of it: it may outlive it.
        if work is not None and work.database is self and work.task is asyncio.current_task():
            async with work.connection.transaction():
                yield work.connection
            return
        async with self._pool.connection() as connection:
            try:
                async with connection.transaction():
                    yield connection
            finally:
                if connection.broken:
                    # The server went away, so the other connections are dead as well: better found out at once.
                    await self._pool.check()

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[Connection]:
        """One transaction of all that this task does until the block is left. For the edge alone."""
        async with self.transaction() as connection:
            token = _WORK.set(_Work(self, asyncio.current_task(), connection))
            try:
                yield connection
            finally:
                _WORK.reset(token)


async def configure(connection: AsyncConnection[Any]) -> None:
    """JSON of this connection goes through msgspec: faster, and it knows our types."""
    set_json_dumps(msgspec.json.encode, connection)
    set_json_loads(msgspec.json.decode, connection)
