"""A cursor goes on where it stood, and a restored database refuses those that would skip rows."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from msgspec.structs import replace

from application.stream import Stream
from domain.errors import OutdatedCursorError
from domain.stream import STREAM_KINDS, StreamCursor, decode_cursor
from store.database import Database
from tests.harness import PATIENCE
from tests.store.test_stream import insert_event


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=4) as opened:
        yield opened


async def read(database: Database, after: StreamCursor | None, count: int) -> StreamCursor:
    """Read until there were so many rows; the cursor behind them."""
    async with asyncio.timeout(PATIENCE):
        while count > 0:
            found = await Stream(database).read(after, STREAM_KINDS, 1, wait=8)
            count -= len(found.rows)
            after = decode_cursor(found.next)
    assert count == 0
    assert after is not None
    return after


async def insert(database: Database, *names: str) -> None:
    async with database.transaction() as connection:
        for name in names:
            await insert_event(connection, name)


async def test_a_cursor_goes_on_within_a_transaction(database: Database) -> None:
    await insert(database, "a", "b", "c")
    first = await read(database, None, 1)
    await read(database, first, 2)
    await read(database, None, 3)


async def test_a_call_waits_for_what_comes(database: Database) -> None:
    await insert(database, "before")
    await read(database, None, 1)
    begin = await Stream(database).read(None, STREAM_KINDS, 10, is_from_end=True)
    assert begin.rows == []
    waiting = asyncio.create_task(read(database, decode_cursor(begin.next), 1))
    await insert(database, "new")
    await waiting


async def test_a_restored_database_refuses_cursors_that_would_skip_rows(database: Database) -> None:
    await insert(database, "kept")
    cursor = await read(database, None, 1)
    outdated = {
        "of another cluster": replace(cursor, system_identifier=cursor.system_identifier + 1),
        "ahead of the database": replace(cursor, position=replace(cursor.position, xid=2**62)),
        "before a row that was recorded later": replace(cursor, given_at=cursor.given_at - timedelta(hours=1)),
    }
    for name, one in outdated.items():
        try:
            await Stream(database).read(one, STREAM_KINDS, 1)
        except OutdatedCursorError:
            continue
        pytest.fail(f"a cursor is taken that is {name}")
    await insert(database, "new")
    await read(database, cursor, 1)
