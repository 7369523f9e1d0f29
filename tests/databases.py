"""Migrated databases that tests use one after another, and the connections to them.

New connections know no table yet, which costs each test a tenth of a second of processor time. So a test gets a
database that another has used, emptied, with the rows of a fresh copy; it is dropped instead if anything else in it
differs from one.
"""

import asyncio
import select
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Self
from uuid import uuid4

import psycopg
import pytest
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.sql import SQL, Composable, Identifier, Literal

from store.database import Connection
from tests.servers import MIGRATED, PostgresServer

# How much a used database may have grown beyond a fresh one, in bytes: what is deleted keeps its room.
MAX_GROWTH = 16 << 20
# How long a session may take to end, in milliseconds.
END_MILLISECONDS = 10_000
# How many idle connections of a kind are kept: a worker begins with eleven, and an API and a test have some.
MAX_IDLE = 16
# A statement is prepared when a connection has it for the second time: the next test has most of them again. Tests have
# more of them than psycopg keeps.
PREPARE_THRESHOLD, MAX_PREPARED = 1, 400

TABLES = """
SELECT nspname AS schema, relname AS name FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind = 'r' AND nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY nspname, relname
"""
SEQUENCES = "SELECT schemaname AS schema, sequencename AS name FROM pg_sequences ORDER BY schemaname, sequencename"
END_OTHERS = """
SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND NOT pid = ANY (%s)
"""
# The catalogs that differ once a test has created, altered, dropped or analyzed anything.
CATALOGS = (
    *("pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_index", "pg_proc", "pg_trigger", "pg_type"),
    *("pg_namespace", "pg_statistic", "pg_db_role_setting"),
)
SHAPE = f"""
SELECT array[{", ".join(f"(SELECT count(*) || '-' || max(xmin::text::bigint) FROM {name})" for name in CATALOGS)}],
  (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""  # noqa: S608
SIZE = "SELECT pg_database_size(current_database())"


class KeptConnection(Connection):
    """A connection that stays open for the next one to the same database, unless its session may differ from a new one.

    Only on the event loop of the tests: other loops end with their tests.
    """

    loop: asyncio.AbstractEventLoop | None = None
    _idle: ClassVar[defaultdict[tuple[str, str], list["KeptConnection"]]] = defaultdict(list)
    _key: tuple[str, str]

    @classmethod
    async def connect(cls, conninfo: str = "", **options: Any) -> Self:
        key = conninfo, str(options.get("options"))
        if cls._is_on_loop():
            while idle := cls._idle[key]:
                connection = idle.pop()
                if connection._is_as_new():
                    return connection  # type: ignore[return-value]
                await connection.end()
        made = await super().connect(conninfo, **options)
        made._key = key
        made.prepare_threshold, made.prepared_max = PREPARE_THRESHOLD, MAX_PREPARED
        return made

    async def close(self) -> None:
        if self._is_on_loop() and self._is_as_new() and len(idle := self._idle[self._key]) < MAX_IDLE:
            # One that is closed twice is not to have two users.
            if self not in idle:
                idle.append(self)
        else:
            await self.end()

    async def end(self) -> None:
        """Close it for good."""
        await super().close()

    @classmethod
    def idle(cls, url: str) -> list["KeptConnection"]:
        """Return those to a database that nobody uses."""
        return [one for (database, _), idle in cls._idle.items() if database == url for one in idle]

    @classmethod
    async def end_all(cls, url: str | None = None) -> None:
        """Close those that nobody uses, to one database or to all."""
        for key in [key for key in cls._idle if url in (None, key[0])]:
            for connection in cls._idle.pop(key):
                await connection.end()

    @classmethod
    def _is_on_loop(cls) -> bool:
        return cls.loop is not None and asyncio.get_running_loop() is cls.loop

    def _is_as_new(self) -> bool:
        """Whether it is between transactions, and the server has not said goodbye."""
        return (
            not self.closed
            and self.pgconn.transaction_status == TransactionStatus.IDLE
            and self.pgconn.pipeline_status == PipelineStatus.OFF
            and not select.select([self.fileno()], [], [], 0)[0]
        )


@asynccontextmanager
async def keep_connections() -> AsyncIterator[None]:
    """Keep the connections of all pools on this event loop open for the next pool."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("store.database.Connection", KeptConnection)
        patch.setattr(KeptConnection, "loop", asyncio.get_running_loop())
        yield
        await KeptConnection.end_all()


@asynccontextmanager
async def database_of(postgres: PostgresServer, template: str) -> AsyncIterator[str]:
    """A database of its own, as a fresh copy of a template."""
    if template == MIGRATED:
        used = _USED.setdefault(postgres, UsedDatabases(postgres))
        url = await used.take()
        yield url
        await used.give_back(url)
    else:
        name = f"test_{uuid4().hex}"
        yield await postgres.create(name, template)
        # Dropped soon, it is hardly ever written to the disk.
        await postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


class UsedDatabases:
    """The databases of one test process that are as good as new."""

    def __init__(self, postgres: PostgresServer) -> None:
        self._postgres = postgres
        self._free: list[str] = []
        self._shape: tuple[Any, ...] = ()
        self._size = 0
        self._empty = b""

    async def take(self) -> str:
        """Return the URL of a migrated database with nothing in it."""
        if self._free:
            return self._free.pop()
        url = await self._postgres.create(f"test_{uuid4().hex}", MIGRATED)
        if not self._empty:
            await self._learn(url)
        return url

    async def give_back(self, url: str) -> None:
        """Empty a database for the next test, or drop it."""
        try:
            if await self._is_emptied(url):
                self._free.append(url)
                return
        except psycopg.Error:
            pass  # The test left it in a state of its own.
        await KeptConnection.end_all(url)
        await self._postgres.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    async def _learn(self, url: str) -> None:
        """Read from a fresh database how it looks, and how another becomes so."""
        async with await KeptConnection.connect(url, autocommit=True) as connection:
            self._shape, self._size = await _shape(connection), await _size(connection)
            self._empty = SQL(";\n").join([part async for part in _emptying(connection)]).as_bytes(connection)

    async def _is_emptied(self, url: str) -> bool:
        """Empty a database; return whether it is as a fresh one then."""
        async with await KeptConnection.connect(url, autocommit=True) as connection:
            kept = [one.info.backend_pid for one in KeptConnection.idle(url)]
            await connection.execute(END_OTHERS, (END_MILLISECONDS, kept))
            if await _shape(connection) != self._shape:
                return False
            await connection.execute(self._empty)
            return await _size(connection) <= self._size + MAX_GROWTH


_USED: dict[PostgresServer, UsedDatabases] = {}


async def _shape(connection: Connection) -> tuple[Any, ...]:
    row = await (await connection.execute(SHAPE)).fetchone()
    assert row is not None
    return tuple(row)


async def _size(connection: Connection) -> int:
    [size] = await (await connection.execute(SIZE)).fetchone() or [0]
    return int(size)


async def _emptying(connection: Connection) -> AsyncIterator[Composable]:
    """Yield the statements that make a used database as this fresh one."""
    yield SQL("BEGIN")
    # Without the triggers, those of foreign keys among them.
    yield SQL("SET LOCAL session_replication_role = replica")
    for schema, name in await (await connection.execute(TABLES)).fetchall():
        table = Identifier(schema, name)
        yield SQL("DELETE FROM ONLY {}").format(table)
        rows = await connection.execute(SQL("SELECT to_jsonb(row)::text FROM ONLY {} AS row").format(table))
        for [row] in await rows.fetchall():
            filled = SQL("INSERT INTO {} SELECT * FROM jsonb_populate_record(NULL::{}, {})")
            yield filled.format(table, table, Literal(row))
    for schema, name in await (await connection.execute(SEQUENCES)).fetchall():
        yield SQL("SELECT setval({}, 1, false)").format(Literal(Identifier(schema, name).as_string(connection)))
    yield SQL("COMMIT")
