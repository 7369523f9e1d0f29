"""ClickHouse holds what the stream has, each row once, and nothing of an erased person.

The server is chdb, ClickHouse in a wheel of half a gigabyte, so it has an environment of its own: `make clickhouse`.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from application.catalogue import Catalogue
from application.clickhouse_sink import ClickHouseSink
from application.consumers import consume_page
from application.ingest import Ingest
from domain.tracking.event import Event
from store.clickhouse import ClickHouse, ClickHouseError
from store.database import Database
from tests.harness import PATIENCE

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-chdb" / "bin" / "python"
NOW = datetime.now(UTC)

pytestmark = pytest.mark.prove


@pytest.fixture
async def clickhouse() -> AsyncIterator[ClickHouse]:
    if not PYTHON.exists():
        pytest.skip("`make clickhouse` installs chdb, which has 0.6 GB")
    process = await asyncio.create_subprocess_exec(
        PYTHON, ROOT / "tests" / "clickhouse" / "chdb_server.py", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    async with ClickHouse(f"http://127.0.0.1:{port}/sojourn") as opened:
        yield opened
    process.kill()
    await process.wait()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=4) as opened:
        yield opened


def event(name: str, user_id: str | None, anonymous_id: str | None = None, **properties: object) -> Event:
    return Event(
        id=uuid4(),
        message_id=str(uuid4()),
        type="track",
        name=name,
        user_id=user_id,
        anonymous_id=anonymous_id,
        properties=dict(properties),
        context={"locale": "de"},
        timestamp=NOW,
    )


async def copy(database: Database, clickhouse: ClickHouse, until: str, expected: str) -> None:
    """Consume until a query has its answer; transactions of other tests may still be open."""
    sink = ClickHouseSink(clickhouse)
    await clickhouse.prepare()
    async with asyncio.timeout(PATIENCE):
        while await clickhouse.execute(until) != expected:
            await consume_page(database, sink, limit=2)


COUNT = "SELECT count(), uniqExact(profile_id) FROM sojourn_events FINAL"


async def test_the_copy_is_what_the_stream_has(database: Database, clickhouse: ClickHouse) -> None:
    ingest = Ingest(database, Catalogue())
    await ingest(
        [
            event("A", "u-1", value=1.5, note="it's \\ \n"),
            event("B", "u-1"),
            event("A", None, "a-1"),
            event("A", "u-2"),
        ],
        received_at=NOW,
    )
    await copy(database, clickhouse, COUNT, "4\t3\n")
    # All of it again, as if no answer had come: in pages of another size.
    async with database.transaction() as connection:
        await connection.execute("DELETE FROM stream_consumers")
    left = 4
    async with asyncio.timeout(PATIENCE):
        while left:
            consumed = await consume_page(database, ClickHouseSink(clickhouse), limit=3)
            left -= consumed.number if consumed else 0
    assert await clickhouse.execute(COUNT) == "4\t3\n"
    found = await clickhouse.execute(
        "SELECT JSONExtractString(properties, 'note') = 'it\\'s \\\\ \\n', JSONExtractFloat(properties, 'value') "
        "FROM sojourn_events FINAL WHERE name = 'A' AND user_id = 'u-1'"
    )
    assert found == "1\t1.5\n"

    # A merge rewrites nothing: the dictionary leads to the person.
    await ingest([event("C", "u-1", "a-1")], received_at=NOW)
    people = (
        "SELECT uniqExact(dictGetOrDefault('sojourn_people', 'person_id', tuple(profile_id), profile_id)), count() "
        "FROM sojourn_events FINAL"
    )
    await copy(database, clickhouse, "SELECT count() FROM sojourn_moved_profiles FINAL", "1\n")
    await copy(database, clickhouse, COUNT, "5\t3\n")
    await clickhouse.execute("SYSTEM RELOAD DICTIONARY sojourn_people")
    assert await clickhouse.execute(people) == "2\t5\n"

    # The erased person's rows go, also those under the profile that was merged.
    async with database.transaction() as connection:
        cursor = await connection.execute("SELECT id FROM profiles WHERE user_id = 'u-1'")
        row = await cursor.fetchone()
        assert row is not None
        person: UUID = row["id"]
        for table in ("events", "identities", "profile_changes", "profile_merges"):
            await connection.execute(f"DELETE FROM {table} WHERE profile_id = %s", (person,))  # noqa: S608
        await connection.execute("DELETE FROM profiles WHERE id = %s", (person,))
    await copy(database, clickhouse, "SELECT count(), any(user_id) FROM sojourn_events FINAL", "1\tu-2\n")


async def test_a_refusal_quotes_no_row(clickhouse: ClickHouse) -> None:
    with pytest.raises(ClickHouseError, match=r"answered 500, code \d+") as refused:
        await clickhouse.insert("nowhere", [{"email": "ada@example.com"}], "t")
    assert "ada" not in str(refused.value)
    with pytest.raises(ClickHouseError, match="no answer"):
        await ClickHouse("http://127.0.0.1:9/x").prepare()
