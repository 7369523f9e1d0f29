"""Temporal has been away for an hour: what has piled up drains, once and in order, and what comes does not wait for it.

All is asserted by what came before what, and by counts; how long it takes is printed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from time import monotonic
from uuid import uuid4

import pytest
from psycopg import AsyncConnection
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from application.catalogue import Catalogue
from application.ingest import Ingest
from domain.tracking.event import Event
from runtime.embedded.temporal import NAMESPACE, EmbeddedTemporal
from runtime.relay import BATCH, Relay
from runtime.temporal import connect
from store import outbox
from store.database import Connection, Database
from store.outbox import OutboxMessage, OutboxRow
from tests.engine.audience import start
from tests.engine.campaigns import CART
from tests.engine.ingesting import event
from tests.harness import PATIENCE, looks
from tests.proofs import rounds

RELAYS = 2
BACKLOG = rounds(540, 9_000)
SIGNALS = 40

# What leaves the outbox, in its order.
_LOG = """
CREATE TABLE log (seq bigint GENERATED ALWAYS AS IDENTITY, op text, workflow_id text, row_id bigint);
CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    INSERT INTO log (op, workflow_id, row_id) VALUES ('told', OLD.workflow_id, OLD.id);
  ELSE
    INSERT INTO log (op, workflow_id, row_id) VALUES ('asked', NEW.workflow_id, NEW.id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER log AFTER INSERT OR DELETE ON outbox FOR EACH ROW EXECUTE FUNCTION log();
"""
# Nothing leaves it while the gate is closed.
_GATE = """
CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(540);
  RETURN NULL;
END $$;
CREATE TRIGGER gate BEFORE DELETE ON outbox FOR EACH STATEMENT EXECUTE FUNCTION wait_at_gate();
"""
_ARE_AT_GATE = """
SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory' HAVING count(*) = %s
"""
# As if it had been written over the last hour.
_AGE = """
UPDATE outbox SET created_at = aged.at, available_at = aged.at
FROM (SELECT id, now() - interval '1 hour' + percent_rank() OVER (ORDER BY id) * interval '55 minutes' AS at
      FROM outbox) AS aged
WHERE outbox.id = aged.id
"""


@pytest.mark.prove
@pytest.mark.takes_long
async def test_a_backlog_of_an_hour_drains_once_and_in_order_and_keeps_nobody_waiting(
    database_url: str, ingest: Ingest, lone_temporal: EmbeddedTemporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[set[int]] = []
    take = outbox.take

    async def recorded_take(connection: Connection, limit: int, bulk_limit: int) -> list[OutboxRow]:
        rows = await take(connection, limit, bulk_limit)
        taken.append({row.id for row in rows})
        return rows

    monkeypatch.setattr(outbox, "take", recorded_take)
    # The relays may take longer for a round; the backlog is older.
    monkeypatch.setattr(outbox, "FRESH_SECONDS", 240.0)
    client = await connect(lone_temporal.address, NAMESPACE)
    async with Database(database_url, pool_size=10) as database:
        await start(database, CART)
        busy = f"cart/busy/{uuid4().hex[:12]}"
        await lone_temporal.kill()
        for first in range(0, BACKLOG, 1_000):
            entries = [bought(f"u{number}") for number in range(first, min(first + 1_000, BACKLOG))]
            await ingest(entries, received_at=datetime.now(UTC))
        # One in nine has ordered since.
        await ingest(
            [
                event("track", f"u{number}", name="Order Completed", at=datetime.now(UTC), cart_id="c1")
                for number in range(0, BACKLOG, 9)
            ],
            received_at=datetime.now(UTC),
        )
        async with database.transaction() as connection:
            await connection.execute(_AGE)
            await connection.execute(_LOG + _GATE)
        async with relays(database_url, client):
            async with await AsyncConnection.connect(database_url) as closed:
                await closed.execute("SELECT pg_advisory_xact_lock(540)")
                await lone_temporal.restart()
                # Each has a round under way.
                await until(database, _ARE_AT_GATE, RELAYS, seconds=PATIENCE)
                await ingest([bought("fresh")], received_at=datetime.now(UTC))
            began = monotonic()
            await tell_often(database, busy)
            await until(database, "SELECT 1 WHERE NOT EXISTS (SELECT FROM outbox)", seconds=PATIENCE + BACKLOG / 20)
            seconds = monotonic() - began
        async with database.transaction() as connection:
            log = await (await connection.execute("SELECT op, workflow_id, row_id FROM log ORDER BY seq")).fetchall()
            found = await connection.execute("SELECT workflow_id, state FROM journeys ORDER BY id")
            states = {row["workflow_id"]: row["state"] async for row in found}
    told = [row["row_id"] for row in log if row["op"] == "told"]
    print(f"{len(told)} rows by {RELAYS} relays in {seconds:.1f} s: {len(told) / seconds:.0f} a second")  # noqa: T201
    [fresh] = [workflow_id for workflow_id in states if workflow_id.startswith("cart/fresh/")]
    [fresh_row] = [row["row_id"] for row in log if row["op"] == "asked" and row["workflow_id"] == fresh]
    place = next(place for place, rows in enumerate(taken) if fresh_row in rows)
    # The rounds that were under way, and the one that it goes with.
    assert len(set.union(*taken[: place + 1])) <= (RELAYS + 1) * BATCH
    # Starts and exits, the campaign's own, the fresh one, and those of the busy one.
    assert len(told) == len(set(told)) == BACKLOG + BACKLOG / 9 + 1 + 1 + 1 + SIGNALS
    assert list(states.values()).count("exited") == BACKLOG / 9
    # A sample: each is known to Temporal, where it goes after what is fresh, and was told of its exit once.
    for workflow_id, state in list(states.items())[:90]:
        expected = [("exit", "")] if state == "exited" else []
        assert await history(client, workflow_id) == [("started", "priority 4"), *expected], workflow_id
    assert await history(client, fresh) == [("started", "priority 3")]
    # What was told one workflow was told in its order, whoever told it.
    heard = [said for _, said in await history(client, busy)]
    assert heard == ["priority 3", *(f"e{number}" for number in range(SIGNALS))]


def bought(user: str) -> Event:
    return event("track", user, name="Cart Abandoned", at=datetime.now(UTC), value=200, cart_id="c1")


async def tell_often(database: Database, workflow_id: str) -> None:
    """A journey that is told of many events, while the backlog drains."""
    started = OutboxMessage(workflow_id, "start", {"journey_id": str(uuid4()), "campaign": "cart", "version": 1})
    heard = [
        OutboxMessage(workflow_id, "matched", {"subscription": "s", "event_id": f"e{number}", "version": 1})
        for number in range(SIGNALS)
    ]
    for message in (started, *heard):
        async with database.transaction() as connection:
            await outbox.append(connection, [message])


async def history(client: Client, workflow_id: str) -> list[tuple[str, str]]:
    """What a workflow was told, in its order: with which priority it began, and of which events it was told."""
    heard = []
    async for one in client.get_workflow_handle(workflow_id).fetch_history_events():
        if one.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
            begun = one.workflow_execution_started_event_attributes
            heard.append(("started", f"priority {begun.priority.priority_key}"))
        elif one.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            told = one.workflow_execution_signaled_event_attributes
            values = await client.data_converter.decode(told.input.payloads)
            heard.append((told.signal_name, values[1] if told.signal_name == "matched" else ""))
    return heard


@asynccontextmanager
async def relays(database_url: str, client: Client) -> AsyncIterator[None]:
    """As worker processes of their own have them; nobody walks the journeys."""
    stop, queue = asyncio.Event(), f"test-{uuid4()}"
    async with AsyncExitStack() as opened, asyncio.TaskGroup() as tasks:
        for _ in range(RELAYS):
            database = await opened.enter_async_context(Database(database_url, pool_size=3))
            tasks.create_task(Relay(database, Catalogue(), client, queue).run(stop))
        try:
            yield
        finally:
            stop.set()


async def until(database: Database, sql: str, *parameters: object, seconds: float = 60) -> None:
    async for is_last in looks(seconds):
        async with database.transaction() as connection:
            if await (await connection.execute(sql, parameters)).fetchone() is not None:
                return
        assert not is_last, sql
