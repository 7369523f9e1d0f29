"""The stream has each committed row once, in order, though transactions commit late and workers die."""

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest

from application.consumers import consume_page
from domain.errors import UnavailableError
from domain.stream import BEGINNING, STREAM_KINDS, StreamKind, StreamPosition, end_of
from store import stream
from store.database import Connection, Database
from store.migrate import upgrade
from store.stream import StreamedEvent, StreamedMessage, StreamedProfile, StreamRow
from tests.harness import PATIENCE

EVENTS: tuple[StreamKind, ...] = ("event",)
MESSAGES: tuple[StreamKind, ...] = ("message",)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=8) as opened:
        yield opened


async def insert_event(connection: psycopg.AsyncConnection[Any], name: str) -> None:
    await connection.execute(
        """
        INSERT INTO events (received_at, message_id, profile_id, type, name, properties, context, timestamp)
        VALUES (now(), gen_random_uuid(), gen_random_uuid(), 'track', %s, '{}', '{}', now())
        """,
        (name,),
    )


async def read(
    database: Database, after: StreamPosition = BEGINNING, limit: int = 100
) -> tuple[list[str], StreamPosition]:
    async with database.transaction() as connection:
        horizon = await stream.read_horizon(connection)
        page = await stream.read_page(connection, horizon, after, STREAM_KINDS, limit)
    return [row.event.name or "" for row in page.rows if isinstance(row, StreamedEvent)], page.end


async def read_until(database: Database, count: int, limit: int = 100) -> list[str]:
    """The rows of several pages. Other databases of the server have transactions, which the horizon waits for."""
    names: list[str] = []
    position = BEGINNING
    async with asyncio.timeout(PATIENCE):
        while len(names) < count:
            found, position = await read(database, position, limit)
            names += found
            await asyncio.sleep(0.01 if not found else 0)
    return names


async def test_a_transaction_that_commits_late_is_not_skipped(database: Database) -> None:
    async with database.transaction() as older:
        await insert_event(older, "older")
        async with database.transaction() as newer:
            await insert_event(newer, "newer")
        # The newer one is committed, and waits for the older.
        names, position = await read(database)
        assert names == []
    names = []
    async with asyncio.timeout(PATIENCE):
        while len(names) < 2:
            found, position = await read(database, position)
            names += found
    assert names == ["older", "newer"]


async def test_pages_have_each_row_once_and_in_the_order_of_transactions(database: Database) -> None:
    for number in range(3):
        async with database.transaction() as connection:
            for _ in range(5):
                await insert_event(connection, f"{number}")
    assert await read_until(database, 15, limit=2) == sorted(f"{number}" for number in range(3) for _ in range(5))


class Collector:
    """A consumer that writes into the same database, and fails when it is told to."""

    name = "collector"
    kinds: Collection[StreamKind] = EVENTS

    def __init__(self, failures: random.Random) -> None:
        self._failures = failures

    async def consume(self, connection: Connection, rows: Sequence[StreamRow]) -> None:
        for row in rows:
            assert isinstance(row, StreamedEvent)
            await connection.execute("INSERT INTO collected (name) VALUES (%s)", (row.event.name,))
        if self._failures.random() < 0.3:
            raise ConnectionError("killed")


async def test_racing_workers_that_die_consume_each_event_exactly_once(database: Database) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    chance = random.Random(seed)
    async with database.transaction() as connection:
        await connection.execute("CREATE TABLE collected (place serial, name text)")
    writers_done = 0

    async def write(writer: int) -> None:
        nonlocal writers_done
        for number in range(20):
            async with database.transaction() as connection:
                await insert_event(connection, f"{writer}.{number}")
                await asyncio.sleep(chance.random() / 500)
        writers_done += 1

    async def work() -> None:
        collector = Collector(chance)
        while True:
            try:
                consumed = await consume_page(database, collector, limit=7)
            except ConnectionError:
                continue
            if consumed is not None and consumed.number == 0 and writers_done == 3:
                async with database.transaction() as connection:
                    cursor = await connection.execute("SELECT count(*) AS number FROM collected")
                    row = await cursor.fetchone()
                if row is not None and row["number"] == 60:
                    return
            await asyncio.sleep(0.001)

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(write(writer) for writer in range(3)), *(work() for _ in range(2)))
    async with database.transaction() as connection:
        cursor = await connection.execute("SELECT name FROM collected ORDER BY place")
        names = [row["name"] async for row in cursor]
    assert sorted(names) == sorted(f"{writer}.{number}" for writer in range(3) for number in range(20))
    for writer in range(3):
        own = [name for name in names if name.startswith(f"{writer}.")]
        assert own == [f"{writer}.{number}" for number in range(20)]


async def test_a_look_without_rows_takes_no_transaction_id(database: Database) -> None:
    collector = Collector(random.Random(0))
    async with database.transaction() as connection:
        consumed = await consume_page(database, collector)
        assert consumed is not None
        assert consumed.number == 0
        cursor = await connection.execute("SELECT count(*) AS moved FROM stream_consumers")
        assert await cursor.fetchone() == {"moved": 0}


MESSAGE = """
INSERT INTO campaigns (key, name, latest_version) VALUES ('cart', 'Cart', 1);
INSERT INTO campaign_versions (campaign_key, version, name, file, source, templates, plan, rules)
VALUES ('cart', 1, 'Cart', '', '', '{}', '{}', '{}');
INSERT INTO profiles (id, user_id) VALUES ('00000000-0000-0000-0000-000000000001', 'u1');
INSERT INTO journeys (id, campaign_key, campaign_version, profile_id, workflow_id, entry, entered_at)
VALUES ('00000000-0000-0000-0000-000000000002', 'cart', 1, '00000000-0000-0000-0000-000000000001', 'w', '{}', now());
INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, template, at,
                      expires_at)
VALUES ('00000000-0000-0000-0000-000000000003', '00000000-0000-0000-0000-000000000002',
        '00000000-0000-0000-0000-000000000001', 'cart', 'nudge', 0, 'email', 'marketing', 'nudge', now(), now());
"""


async def test_every_state_of_a_message_is_a_row(database: Database) -> None:
    message = UUID(int=3)
    async with database.transaction() as connection:
        await connection.execute(MESSAGE)
    for state in ("sending", "sending", "sent"):
        async with database.transaction() as connection:
            await connection.execute("UPDATE messages SET state = %s WHERE id = %s", (state, message))
    async with database.transaction() as connection:
        await connection.execute("UPDATE messages SET opened_at = now()")
    states: list[StreamedMessage] = []
    position = BEGINNING
    async with asyncio.timeout(PATIENCE):
        while len(states) < 3:
            async with database.transaction() as connection:
                horizon = await stream.read_horizon(connection)
                page = await stream.read_page(connection, horizon, position, MESSAGES, 10)
            position = page.end
            states += [row for row in page.rows if isinstance(row, StreamedMessage)]
    assert [(row.message_id, row.state, row.user_id) for row in states] == [
        (message, state, "u1") for state in ("reserved", "sending", "sent")
    ]


async def test_a_database_of_another_cluster_goes_on_after_what_it_brought(database: Database) -> None:
    """As after a logical backup is restored elsewhere: there, transaction ids are smaller than those of its rows."""
    far = 10**12
    async with database.transaction() as connection:
        await insert_event(connection, "brought")
        await connection.execute("UPDATE events SET recorded_xid = %s", (far,))
        await connection.execute("UPDATE stream_origin SET system_identifier = 1")
        await connection.execute(
            "INSERT INTO stream_consumers (name, xid, kind, id) VALUES ('far', %s, 'event', %s)", (far + 5, uuid4())
        )
    with pytest.raises(UnavailableError, match="sojourn migrate"):
        await read(database)
    await asyncio.to_thread(upgrade, database.url)
    await asyncio.to_thread(upgrade, database.url)
    async with database.transaction() as connection:
        await insert_event(connection, "new")
    assert await read_until(database, 2) == ["brought", "new"]
    names: list[str] = []
    position = end_of(far + 5)
    async with asyncio.timeout(PATIENCE):
        while not names:
            names, position = await read(database, position)
    assert names == ["new"]


PROFILES = """
INSERT INTO profiles (id, user_id) SELECT format('00000000-0000-0000-0000-0000000000%s', number)::uuid, 'u' || number
FROM generate_series(11, 13) AS number
"""


async def test_merges_their_undoing_and_erasures_are_rows(database: Database) -> None:
    kept, merged, erased = (UUID(f"00000000-0000-0000-0000-0000000000{number}") for number in (11, 12, 13))
    steps: list[list[tuple[LiteralString, tuple[UUID, ...]]]] = [
        [("DELETE FROM profiles WHERE id = %s", (erased,))],
        # In either order.
        [
            ("DELETE FROM profiles WHERE id = %s", (merged,)),
            (
                "INSERT INTO profile_merges (source_id, target_id, profile_id, merged_by) VALUES (%s, %s, %s, 'test')",
                (merged, kept, kept),
            ),
        ],
        [
            ("INSERT INTO profiles (id, user_id) VALUES (%s, 'u12')", (merged,)),
            ("DELETE FROM profile_merges WHERE source_id = %s", (merged,)),
        ],
    ]
    async with database.transaction() as connection:
        await connection.execute(PROFILES)
    for step in steps:
        async with database.transaction() as connection:
            for statement, values in step:
                await connection.execute(statement, values)
    found: list[StreamedProfile] = []
    async with asyncio.timeout(PATIENCE):
        position = BEGINNING
        while len(found) < 3:
            async with database.transaction() as connection:
                horizon = await stream.read_horizon(connection)
                page = await stream.read_page(connection, horizon, position, STREAM_KINDS, 10)
            position = page.end
            found += [row for row in page.rows if isinstance(row, StreamedProfile)]
    assert [(row.profile_id, row.outcome, row.target_id) for row in found] == [
        (erased, "erased", None),
        (merged, "merged", kept),
        (merged, "separated", None),
    ]
