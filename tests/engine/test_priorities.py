"""Those who enter as an audience keep nobody waiting who enters by an event: in the outbox, and in Temporal."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.worker import Worker

from application.catalogue import Catalogue
from application.ingest import Ingest
from runtime.relay import BULK_BATCH, Relay
from runtime.temporal import WORKFLOWS, workflow_runner
from store.database import Database
from tests.engine.audience import enter, people, start
from tests.engine.campaigns import CART
from tests.engine.ingesting import event
from tests.harness import PATIENCE, looks


def trial(count: int) -> dict[str, dict[str, str]]:
    return {f"u{number:04}": {"plan": "trial"} for number in range(count)}


async def test_starts_by_events_overtake_an_audience_in_the_outbox(
    database_url: str, ingest: Ingest, client: Client
) -> None:
    """While 500 who enter wait, Temporal is told of each who comes by an event after two batches of the others at
    most: the one that is under way, and the one that it goes with."""
    async with Database(database_url, pool_size=4) as database:
        await people(ingest, trial(500))
        await start(database, CART)
        await start(database)
        await enter(database)
        relay = Relay(database, Catalogue(), client, f"test-{uuid4()}")
        for number in range(10):
            before = await _waiting(database)
            assert before["bulk"] > 5 * BULK_BATCH
            now = datetime.now(UTC)
            cart = event("track", f"v{number}", name="Cart Abandoned", at=now, value=200, cart_id="c1")
            await asyncio.gather(relay.deliver_due(), ingest([cart], received_at=now))
            await relay.deliver_due()
            after = await _waiting(database)
            assert after["by_event"] == 0
            assert 0 < before["bulk"] - after["bulk"] <= 2 * BULK_BATCH


async def _waiting(database: Database) -> dict[str, int]:
    async with database.transaction() as connection:
        cursor = await connection.execute(
            """
            SELECT count(*) FILTER (WHERE priority = 1) AS bulk, count(*) FILTER (WHERE priority = 0) AS by_event
            FROM outbox
            """
        )
        [row] = await cursor.fetchall()
        return dict(row)


async def test_tasks_of_an_audience_come_after_those_of_events(
    database_url: str, ingest: Ingest, client: Client
) -> None:
    """A hundred of an audience and then five by events wait for a worker that takes two tasks at a time."""
    queue = f"test-{uuid4()}"
    async with Database(database_url, pool_size=4) as database:
        await people(ingest, trial(100))
        await start(database, CART)
        await start(database)
        await enter(database)
        async with database.transaction() as connection:
            await connection.execute("DELETE FROM outbox WHERE kind = 'campaign'")
        relay = Relay(database, Catalogue(), client, queue)
        while await relay.deliver_due():
            pass
        now = datetime.now(UTC)
        entries = [event("track", f"v{n}", name="Cart Abandoned", at=now, value=200, cart_id="c1") for n in range(5)]
        await ingest(entries, received_at=now)
        while await relay.deliver_due():
            pass
        async with database.transaction() as connection:
            cursor = await connection.execute("SELECT campaign_key, workflow_id FROM journeys")
            journeys = {row["workflow_id"]: row["campaign_key"] async for row in cursor}
    assert len(journeys) == 105
    worker = Worker(
        client,
        task_queue=queue,
        workflows=WORKFLOWS,
        workflow_runner=workflow_runner(),
        max_concurrent_workflow_tasks=2,
    )
    async with worker:
        started = {id: await _first_task(client, id) for id in journeys}
    order = [journeys[id] for id in sorted(started, key=lambda id: started[id])]
    # Close to the order of priority, says Temporal. By age they would be the last.
    assert order[:30].count("cart") >= 4, order
    assert order[:60].count("cart") == 5, order


async def _first_task(client: Client, workflow_id: str) -> datetime:
    """When a worker took the first task of a workflow; waits for it."""
    async for is_last in looks(PATIENCE):
        history = await client.get_workflow_handle(workflow_id).fetch_history()
        for one in history.events:
            if one.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
                return one.event_time.ToDatetime()
        assert not is_last
    raise AssertionError("there is a last look")
