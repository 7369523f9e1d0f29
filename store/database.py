"""Connections to PostgreSQL: one pool a process, one transaction a request or activity."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Self, TypeVar

import msgspec
import structlog
from psycopg import AsyncConnection, AsyncCursor, Error, OperationalError
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool

from store.clock import REFRESH_SECONDS, ROUND_TRIPS, DeploymentClock
from store.transaction_metrics import Increments, TransactionMetrics

log = structlog.get_logger(__name__)

# How long a request waits for a connection before the caller is told to come again, in seconds.
CONNECTION_TIMEOUT = 2.0
# How long a statement waits for what another transaction holds, which is short where nothing is wrong: a connection
# that waits longer is missed by all others.
LOCK_TIMEOUT = "5s"


class Connection(AsyncConnection[DictRow]):
    """A connection with the metrics of its transaction, and the clock of the deployment."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.metrics = TransactionMetrics()
        self.clock = DeploymentClock()


T = TypeVar("T")


class PendingResult(Generic[T]):
    """What a statement will have answered. In a pipeline it is read after others have been sent as well."""

    def __init__(self, cursor: AsyncCursor[DictRow], read: Callable[[Sequence[DictRow]], T]) -> None:
        self._cursor = cursor
        self._read = read

    async def get(self) -> T:
        """Wait for it, once."""
        return self._read(await self._cursor.fetchall())


Begin = Callable[[Connection], Awaitable[None]]


async def _begin_nothing(_: Connection) -> None:
    """Begin with nothing."""


class UnitOfWork:
    """A transaction that others of its task join. It begins when the first of them, or its owner, asks for it.

    Until then no connection is held: what comes before may take long.
    """

    def __init__(self, database: "Database", stack: AsyncExitStack, begin: Begin) -> None:
        self._database = database
        self._task = asyncio.current_task()
        self._stack = stack
        self._begin = begin
        self._connection: Connection | None = None

    def is_of(self, database: "Database") -> bool:
        """Whether what is done now on a database is a part of it.

        A task that was started in a unit of work inherits its context, and is none of it: it may outlive it.
        """
        return self._database is database and self._task is asyncio.current_task()

    async def connection(self) -> Connection:
        """The connection of the transaction, which has begun from here on."""
        if self._connection is None:
            connection = await self._stack.enter_async_context(self._database.own_transaction())
            await self._begin(connection)
            self._connection = connection
        return self._connection

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[Connection]:
        """A part of the transaction that is rolled back by itself."""
        connection = await self.connection()
        mark = connection.metrics.mark()
        try:
            async with connection.transaction():
                yield connection
        except BaseException:
            connection.metrics.go_back(mark)
            raise


@dataclass(frozen=True, slots=True)
class PoolState:
    """How many connections there are, how many of them are in use, and how many tasks wait for one."""

    size: int
    in_use: int
    waiting: int


_WORK: ContextVar[UnitOfWork | None] = ContextVar("work", default=None)


def _discard_metrics(_: Increments) -> None:
    """The count is not kept."""


class Database:
    """The pool, and transactions from it. Inner code never commits: leaving the transaction does.

    `count` is told what each transaction has done, once it is committed. `clock` is the deployment's; it is known once
    there has been a connection.
    """

    def __init__(self, url: str, *, pool_size: int, count: Callable[[Increments], None] = _discard_metrics) -> None:
        self.url = url
        self.connection_timeout = CONNECTION_TIMEOUT
        self.clock = DeploymentClock()
        self._count = count
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=pool_size,
            open=False,
            timeout=CONNECTION_TIMEOUT,
            connection_class=Connection,
            kwargs={
                "row_factory": dict_row,
                "options": f"-c timezone=UTC -c lock_timeout={LOCK_TIMEOUT}",
                "application_name": "sojourn",
                # Each transaction here begins and ends by itself; the library would wait for the answer to its BEGIN.
                "autocommit": True,
            },
            configure=self._configure,
        )

    async def __aenter__(self) -> Self:
        await self._pool.open()
        self._clock_keeper = asyncio.create_task(self._keep_clock())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._clock_keeper.cancel()
        await asyncio.wait([self._clock_keeper])
        await self._pool.close()

    async def now(self) -> datetime:
        """The time by the deployment's clock. Takes a connection only where none has ever been taken."""
        if not self.clock.is_known or self.clock.is_adjustable:
            async with self._connection():
                pass
        return self.clock.now()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction: committed when the block is left, rolled back when it raises.

        In a unit of work of the same task it is a part of that one (a savepoint): it commits with the whole.
        """
        work = _WORK.get()
        if work is not None and work.is_of(self):
            async with work.savepoint() as connection:
                yield connection
            return
        async with self.own_transaction() as connection:
            yield connection

    @asynccontextmanager
    async def pipeline(self) -> AsyncIterator[Connection]:
        """A transaction whose statements wait for no answer: they go together with what is read next, or the commit.

        A statement that fails is told of then. Of what only writes, the row count is not known.
        """
        work = _WORK.get()
        if work is not None and work.is_of(self):
            async with work.savepoint() as connection, connection.pipeline():
                yield connection
            return
        async with self._connection() as connection, connection.pipeline():
            # The library's own block would wait for the answers to these two.
            await connection.execute("BEGIN")
            yield connection
            await connection.execute("COMMIT")

    @asynccontextmanager
    async def unit_of_work(self, begin: Begin = _begin_nothing) -> AsyncIterator[UnitOfWork]:
        """One transaction of all that this task does until the block is left. For the edge alone.

        It begins with `begin` once it is needed; what that raises is raised where it was needed.
        """
        async with AsyncExitStack() as stack:
            work = UnitOfWork(self, stack, begin)
            token = _WORK.set(work)
            try:
                yield work
            finally:
                _WORK.reset(token)

    @asynccontextmanager
    async def own_transaction(self) -> AsyncIterator[Connection]:
        """A transaction that joins no other."""
        async with self._connection() as connection, connection.transaction():
            yield connection

    def pool_state(self) -> PoolState:
        """How the pool is used at the moment."""
        state = self._pool.get_stats()
        size = state.get("pool_size", 0)
        return PoolState(size, size - state.get("pool_available", 0), state.get("requests_waiting", 0))

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """A connection for one transaction; what it has done is counted once that is committed."""
        async with self._pool.connection() as connection:
            connection.metrics.forget()
            connection.clock = self.clock
            if self.clock.is_adjustable:
                await self.clock.sample(connection)
            try:
                yield connection
            finally:
                if connection.broken:
                    # The server went away, so the other connections are dead as well: better found out at once.
                    await self._pool.check()
            if counts := await connection.metrics.take():
                self._count(counts)

    async def _configure(self, connection: Connection) -> None:
        await configure(connection)
        # After a failover another server's clock may be a little different.
        await self.clock.sample(connection, 1 if self.clock.is_known else ROUND_TRIPS)

    async def _keep_clock(self) -> None:
        """Sample the clock until cancelled. While the database is away, nothing arrives that would need it."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                async with self._pool.connection() as connection:
                    await self.clock.sample(connection)
            except Error as error:
                log.warning("failed to sample the clock", error=describe_error(error))


def describe_error(error: Error) -> str:
    """What failed, for a log. What the server says of statements and rows may quote them, and is left out."""
    if error.sqlstate is None:
        # libpq puts its hints on lines of their own.
        return " ".join(str(error).split())
    name = type(error).__name__
    return f"{name}: {error.diag.message_primary}" if isinstance(error, OperationalError) else name


async def configure(connection: AsyncConnection[Any]) -> None:
    """JSON of this connection goes through msgspec: faster, and it knows our types."""
    set_json_dumps(msgspec.json.encode, connection)
    set_json_loads(msgspec.json.decode, connection)
