"""Connections to PostgreSQL: one pool a process, one transaction a request or activity."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Self

import msgspec
from psycopg import AsyncConnection, Error, OperationalError
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool

from store.tally import Counts, Tally

# How long a request waits for a connection before the caller is told to come again, in seconds.
CONNECTION_TIMEOUT = 2.0


class Connection(AsyncConnection[DictRow]):
    """A connection with the tally of its transaction."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.tally = Tally()


@dataclass(frozen=True, slots=True)
class _Work:
    """A transaction that others of its task join."""

    database: "Database"
    task: asyncio.Task[Any] | None
    connection: Connection


@dataclass(frozen=True, slots=True)
class PoolState:
    """How many connections there are, how many of them are in use, and how many tasks wait for one."""

    size: int
    in_use: int
    waiting: int


_WORK: ContextVar[_Work | None] = ContextVar("work", default=None)


def _uncounted(_: Counts) -> None:
    """Nobody keeps the count."""


class Database:
    """The pool, and transactions from it. Inner code never commits: leaving the transaction does.

    `count` is told what each transaction has done, once it is committed.
    """

    def __init__(self, url: str, *, pool_size: int, count: Callable[[Counts], None] = _uncounted) -> None:
        self.url = url
        self._count = count
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=pool_size,
            open=False,
            timeout=CONNECTION_TIMEOUT,
            connection_class=Connection,
            kwargs={"row_factory": dict_row, "options": "-c timezone=UTC", "application_name": "sojourn"},
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
            mark = work.connection.tally.mark()
            try:
                async with work.connection.transaction():
                    yield work.connection
            except BaseException:
                work.connection.tally.go_back(mark)
                raise
            return
        async with self._pool.connection() as connection:
            connection.tally.take()
            try:
                async with connection.transaction():
                    yield connection
            finally:
                if connection.broken:
                    # The server went away, so the other connections are dead as well: better found out at once.
                    await self._pool.check()
            if counts := connection.tally.take():
                self._count(counts)

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[Connection]:
        """One transaction of all that this task does until the block is left. For the edge alone."""
        async with self.transaction() as connection:
            token = _WORK.set(_Work(self, asyncio.current_task(), connection))
            try:
                yield connection
            finally:
                _WORK.reset(token)

    def pool_state(self) -> PoolState:
        """How the pool is used at the moment."""
        state = self._pool.get_stats()
        size = state.get("pool_size", 0)
        return PoolState(size, size - state.get("pool_available", 0), state.get("requests_waiting", 0))


def described(error: Error) -> str:
    """What failed, for a log. What the server says of statements and rows may quote them, and is left out."""
    if error.sqlstate is None:
        return str(error)
    name = type(error).__name__
    return f"{name}: {error.diag.message_primary}" if isinstance(error, OperationalError) else name


async def configure(connection: AsyncConnection[Any]) -> None:
    """JSON of this connection goes through msgspec: faster, and it knows our types."""
    set_json_dumps(msgspec.json.encode, connection)
    set_json_loads(msgspec.json.decode, connection)
