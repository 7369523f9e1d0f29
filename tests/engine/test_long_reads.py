"""Reads over much history: few at a time, so that events keep connections, and none for ever."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from application import rfm
from application.lifecycle import Lifecycle
from application.rfm import Rfm
from domain.errors import OverloadedError
from store import database as store_database
from store.database import MAX_LONG_READS, MAX_WAITING_READS, Database
from tests.engine.computed_harness import event
from tests.engine.lifecycle_harness import lifecycle_harness
from tests.engine.rfm_harness import rfm_harness
from tests.harness import until_blocked

STAGES = "stages: [{key: reach, when: 'true'}, {key: known, when: profile.user_id != null}]\n"


async def test_events_keep_connections_while_many_read_history(database_url: str) -> None:
    async with lifecycle_harness(database_url, pool_size=MAX_LONG_READS + 1) as harness:
        await harness.apply_lifecycle(STAGES)
        lifecycle = Lifecycle(harness.database)
        async with await psycopg.AsyncConnection.connect(database_url) as other:
            # Only the flow reads it: it takes as long as that of a large deployment.
            await other.execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
            flows = [asyncio.create_task(lifecycle.flow(None, None)) for _ in range(MAX_LONG_READS + MAX_WAITING_READS)]
            await until_blocked(other)
            await harness.ingest(event("Viewed"))
            with pytest.raises(OverloadedError, match="too many long reads"):
                await lifecycle.flow(None, None)
        assert len(await asyncio.gather(*flows)) == len(flows)
        assert await harness.stage("u1") == "known"
        await lifecycle.flow(None, None)


async def test_a_long_read_ends(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_database, "LONG_READ_TIMEOUT", 0.05)
    async with Database(database_url, pool_size=1) as database:
        for _ in range(MAX_LONG_READS + MAX_WAITING_READS + 1):
            with pytest.raises(OverloadedError, match="a shorter period"):
                async with database.long_read() as connection:
                    await connection.execute("SELECT pg_sleep(3600)")
        async with database.transaction() as connection:
            [row] = await (await connection.execute("SHOW statement_timeout")).fetchall()
        assert row["statement_timeout"] == "0"


async def test_a_sample_of_buyers_ends_with_its_orders(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rfm_harness(database_url) as harness:
        await harness.apply_rfm()
        now = datetime.now(UTC)
        users = [f"u{number}" for number in range(30)]
        await harness.order({user: [(now - timedelta(days=day), 9.9) for day in range(1, 5)] for user in users})
        everyone = await Rfm(harness.database).draw_orders(100)
        assert [len(one.ages) for one in everyone.buyers] == [4] * len(users)
        monkeypatch.setattr(rfm, "MAX_DRAWN_ORDERS", 10)
        few = await Rfm(harness.database).draw_orders(100)
        assert [len(one.ages) for one in few.buyers] == [4] * 3
