"""Connections to PostgreSQL: one pool a process, one transaction a request."""

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
from psycopg.errors import QueryCanceled
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool

from domain.errors import OverloadedError
from store.clock import REFRESH_SECONDS, ROUND_TRIPS, DeploymentClock
from store.transaction_metrics import Increments, TransactionMetrics

log = structlog.get_logger(__name__)

# How long a request waits for a connection before it is refused, in seconds.
CONNECTION_TIMEOUT = 2.0
# How long a statement waits for a lock: briefly, since other requests need its connection.
LOCK_TIMEOUT = "5s"
# Long reads of one process at a time, and those that wait for them: events need the other connections and requests.
MAX_LONG_READS = 2
MAX_WAITING_READS = 10
# How long a statement of a long read may take, in seconds.
LONG_READ_TIMEOUT = 60
LONG_READ_RETRY_SECONDS = 5


class Connection(AsyncConnection[DictRow]):
    """A connection with its transaction's metrics and the deployment's clock."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.metrics = TransactionMetrics()
        self.clock = DeploymentClock()


T = TypeVar("T")


class PendingResult(Generic[T]):
    """The pending result of a statement, which further statements need not await."""

    def __init__(self, cursor: AsyncCursor[DictRow], read: Callable[[Sequence[DictRow]], T]) -> None:
        self._cursor = cursor
        self._read = read

    async def get(self) -> T:
        """Wait for the result, once."""
        return self._read(await self._cursor.fetchall())


Begin = Callable[[Connection], Awaitable[None]]


async def _begin_nothing(_: Connection) -> None:
    """Do nothing at the beginning."""


class UnitOfWork:
    """A transaction that the rest of its task joins. It begins on first use.

    Until then it holds no connection: the work before may take long.
    """

    def __init__(self, database: "Database", stack: AsyncExitStack, begin: Begin) -> None:
        self._database = database
        self._task = asyncio.current_task()
        self._stack = stack
        self._begin = begin
        self._connection: Connection | None = None

    def is_of(self, database: "Database") -> bool:
        """Return whether the current task works on a database within this unit.

        A task that was started in a unit of work inherits its context, but is not part of it: it may outlive it.
        """
        return self._database is database and self._task is asyncio.current_task()

    async def connection(self) -> Connection:
        """Return the connection of the transaction, and begin it if necessary."""
        if self._connection is None:
            connection = await self._stack.enter_async_context(self._database.own_transaction())
            await self._begin(connection)
            self._connection = connection
        return self._connection

    async def commit(self) -> None:
        """Commit and return the connection; further work is a transaction of its own."""
        # `begin` ran before, or nothing was done and it runs at the first use.
        if self._connection is not None:
            self._connection, self._begin = None, _begin_nothing
            await self._stack.aclose()

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[Connection]:
        """Open a part of the transaction that can be rolled back by itself."""
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
    """The numbers of connections, of those in use, and of waiting tasks."""

    size: int
    in_use: int
    waiting: int


_WORK: ContextVar[UnitOfWork | None] = ContextVar("work", default=None)


def _discard_metrics(_: Increments) -> None:
    """Ignore the metrics."""


class Database:
    """The pool, and its transactions. Only the edge commits, by leaving a transaction.

    `count` receives the metrics of each committed transaction. `clock` is the deployment's; it is known from the first
    connection on.
    """

    def __init__(self, url: str, *, pool_size: int, count: Callable[[Increments], None] = _discard_metrics) -> None:
        self.url = url
        self.connection_timeout = CONNECTION_TIMEOUT
        self.clock = DeploymentClock()
        self._count = count
        self._long_reads = asyncio.Semaphore(MAX_LONG_READS)
        self._asked_long_reads = 0
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
                # Transactions begin and end explicitly: the library would wait for the answer to its BEGIN.
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
        """Return the deployment's time; connects only if the clock was never sampled."""
        if not self.clock.is_known or self.clock.is_adjustable:
            async with self._connection():
                pass
        return self.clock.now()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Open a transaction: commit at the end of the block, roll back on an error.

        Within a unit of work of the same task it is a savepoint and commits with the whole.
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
        """Open a transaction whose statements are sent together, with the next read.

        A failed statement is reported then. Row counts of writes are unknown.
        """
        work = _WORK.get()
        if work is not None and work.is_of(self):
            async with work.savepoint() as connection, connection.pipeline():
                yield connection
            return
        async with self._connection() as connection, connection.pipeline():
            # The library's own block would wait for both answers.
            await connection.execute("BEGIN")
            yield connection
            await connection.execute("COMMIT")

    @asynccontextmanager
    async def unit_of_work(self, begin: Begin = _begin_nothing) -> AsyncIterator[UnitOfWork]:
        """Open one transaction for all that this task does in the block; for the edge.

        `begin` runs at its first use, and its errors are raised there.
        """
        async with AsyncExitStack() as stack:
            work = UnitOfWork(self, stack, begin)
            token = _WORK.set(work)
            try:
                yield work
            finally:
                _WORK.reset(token)

    @asynccontextmanager
    async def one_transaction(self) -> AsyncIterator[None]:
        """Let several use cases of this task share a transaction: the unit's, or one more."""
        work = _WORK.get()
        if work is not None and work.is_of(self):
            async with work.savepoint():
                yield
            return
        async with self.unit_of_work():
            yield

    async def commit_before_call(self) -> None:
        """Commit the unit of work of this task, if it is in one, before a slow call.

        Not within a transaction. A repeat under the same Idempotency-Key finds the key taken, also if this process
        dies during the call.
        """
        work = _WORK.get()
        if work is not None and work.is_of(self):
            await work.commit()

    @asynccontextmanager
    async def own_transaction(self) -> AsyncIterator[Connection]:
        """Open a transaction outside of any unit of work."""
        async with self._connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """Open a transaction that sees one instant and can write nothing."""
        async with self.own_transaction() as connection:
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield connection

    @asynccontextmanager
    async def long_read(self) -> AsyncIterator[Connection]:
        """Open a transaction for reads over much history, of which few run at a time.

        Raises OverloadedError if too many wait, or if it takes longer than LONG_READ_TIMEOUT.
        """
        if self._asked_long_reads >= MAX_LONG_READS + MAX_WAITING_READS:
            raise OverloadedError("too many long reads are under way; ask again", retry_after=LONG_READ_RETRY_SECONDS)
        self._asked_long_reads += 1
        try:
            async with self._long_reads, self.own_transaction() as connection:
                await connection.execute(f"SET LOCAL statement_timeout = '{LONG_READ_TIMEOUT}s'")
                yield connection
        except QueryCanceled as error:
            said = f"it takes longer than {LONG_READ_TIMEOUT} s: ask for a shorter period"
            raise OverloadedError(said, retry_after=LONG_READ_TIMEOUT) from error
        finally:
            self._asked_long_reads -= 1

    def pool_state(self) -> PoolState:
        """Return the current use of the pool."""
        state = self._pool.get_stats()
        size = state.get("pool_size", 0)
        return PoolState(size, size - state.get("pool_available", 0), state.get("requests_waiting", 0))

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """Hold a connection for one transaction; report its metrics after the commit."""
        async with self._pool.connection() as connection:
            connection.metrics.forget()
            connection.clock = self.clock
            if self.clock.is_adjustable:
                await self.clock.sample(connection)
            try:
                yield connection
            finally:
                if connection.broken:
                    # The server is gone, so the other connections are dead as well.
                    await self._pool.check()
            if counts := await connection.metrics.take():
                self._count(counts)

    async def _configure(self, connection: Connection) -> None:
        await configure(connection)
        # After a failover the new server's clock may differ.
        await self.clock.sample(connection, 1 if self.clock.is_known else ROUND_TRIPS)

    async def _keep_clock(self) -> None:
        """Sample the clock until cancelled. While the database is away, nothing needs it."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                async with self._pool.connection() as connection:
                    await self.clock.sample(connection)
            except Error as error:
                log.warning("failed to sample the clock", error=describe_error(error))


def describe_error(error: Error) -> str:
    """Describe an error for the log, without the server's text, which may quote rows."""
    if error.sqlstate is None:
        # libpq puts hints on separate lines.
        return " ".join(str(error).split())
    name = type(error).__name__
    return f"{name}: {error.diag.message_primary}" if isinstance(error, OperationalError) else name


async def configure(connection: AsyncConnection[Any]) -> None:
    """Use msgspec for the JSON of this connection: it is faster and knows our types."""
    set_json_dumps(msgspec.json.encode, connection)
    set_json_loads(msgspec.json.decode, connection)
