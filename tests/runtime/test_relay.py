"""What the relay makes of Temporal's refusals."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from temporalio.client import Client, Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from application.catalogue import Catalogue
from domain.journey.records import Ending
from runtime.relay import BATCH, BULK_BATCH, MAX_PAUSE, Relay, TemporalAwayError
from runtime.temporal import connect
from store import journeys, outbox
from store.database import Database
from store.outbox import OutboxMessage
from tests.chaos.proxy import Proxy
from tests.engine.campaigns import CART
from tests.harness import PATIENCE, Harness, is_begun, looks, open_harness
from tests.servers import TemporalServer

EXIT = OutboxMessage("cart/u1/000000000000", "exit", {"by": "e1"})


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=10) as opened:
        yield opened


async def append(database: Database, *messages: OutboxMessage) -> None:
    async with database.transaction() as connection:
        await outbox.append(connection, messages)


async def left(database: Database) -> list[str]:
    """The kinds of the rows that are left, with what went wrong."""
    async with database.transaction() as connection:
        cursor = await connection.execute("SELECT kind, last_error FROM outbox ORDER BY id")
        return [f"{row['kind']}: {row['last_error']}" async for row in cursor]


async def test_a_signal_for_a_journey_that_is_over_is_forgotten(database: Database, client: Client) -> None:
    await append(database, EXIT)
    assert await Relay(database, Catalogue(), client, "nobody").deliver_due() == 1
    assert await left(database) == []


async def test_a_signal_is_kept_while_the_namespace_is_missing(database: Database, temporal: TemporalServer) -> None:
    client = await connect(temporal.address, "not-made-yet")
    await append(database, EXIT)
    await Relay(database, Catalogue(), client, "nobody").deliver_due()
    assert await left(database) == ["exit: NOT_FOUND: Namespace not-made-yet is not found."]


async def test_a_signal_waits_for_the_start_that_another_relay_holds(database: Database, client: Client) -> None:
    await append(database, OutboxMessage(EXIT.workflow_id, "start", {}))
    async with database.transaction() as other:
        assert len(await outbox.take(other, 10, 10)) == 1
        await append(database, EXIT)
        assert await Relay(database, Catalogue(), client, "nobody").deliver_due() == 0
    assert await left(database) == ["start: None", "exit: None"]


@pytest.fixture
async def proxy(temporal: TemporalServer) -> AsyncIterator[Proxy]:
    proxy = Proxy(temporal.port)
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.mark.parametrize("is_erased", [False, True], ids=["stopped", "erased"])
async def test_a_start_that_is_told_after_its_journey_was_ended_is_taken_back(
    database: Database, database_url: str, temporal: TemporalServer, proxy: Proxy, is_erased: bool
) -> None:
    """The relay is cut off from the database, and the answer of Temporal is long in coming.

    Of an erased person nothing is left that a signal could end later, so the workflow is deleted.
    """
    async with open_harness(database_url, temporal, is_working=False) as harness:
        await harness.run_campaign(CART)
        await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
        journey = await harness.journeys.one()
        far = await connect(f"127.0.0.1:{proxy.port}", temporal.namespace)
        relay = Relay(database, Catalogue(), far, harness.settings.task_queue)
        proxy.is_mute = True
        telling = asyncio.create_task(relay.deliver_due())
        handle = harness.temporal.get_workflow_handle(journey["workflow_id"])
        async for is_last in looks(PATIENCE):
            if await is_begun(handle):
                break
            assert not is_last
        await harness.query(
            """
            SELECT pg_terminate_backend(pid) FROM pg_locks
            WHERE relation = 'outbox'::regclass AND mode = 'RowShareLock' AND pid <> pg_backend_pid()
            """
        )
        if is_erased:
            await harness.admin("DELETE", "/v1/users/u1")
            # As the operation has before the late start, but for the workflow.
            await harness.query("DELETE FROM decisions RETURNING 1")
            await harness.query("DELETE FROM outbox RETURNING 1")
            await harness.query("DELETE FROM journeys RETURNING 1")
        else:
            async with harness.database.transaction() as connection:
                # As an operation does that ends a version.
                await journeys.end(connection, [Ending(journey["id"], "exited", "exited", "admin", datetime.now(UTC))])
                await outbox.remove_starts(connection, [journey["workflow_id"]])
        proxy.is_mute = False
        proxy.cut()
        with pytest.raises(psycopg.OperationalError):
            await telling
        await relay.deliver_due()
        if is_erased:
            async for is_last in looks(PATIENCE):
                if not await is_begun(handle):
                    break
                assert not is_last
        else:
            signals = [
                event.workflow_execution_signaled_event_attributes.signal_name
                async for event in handle.fetch_history_events()
                if event.HasField("workflow_execution_signaled_event_attributes")
            ]
            assert signals == ["exit"]


async def test_what_single_events_cause_goes_first(database: Database, client: Client) -> None:
    """However much is done to many, and however long that has waited; of it, little is taken at once."""

    def exits(count: int, of: str) -> list[OutboxMessage]:
        return [OutboxMessage(f"cart/{of}{number}/000000000000", "exit", {"by": "e1"}) for number in range(count)]

    async with database.transaction() as connection:
        await outbox.append(connection, exits(300, "many"), bulk=True)
        await outbox.append(connection, exits(5, "single"))
    relay = Relay(database, Catalogue(), client, "nobody")
    assert await relay.deliver_due() == 5 + BULK_BATCH
    assert await waiting(database) == {1: 300 - BULK_BATCH}
    async with database.transaction() as connection:
        await outbox.append(connection, exits(BATCH + 1, "single"))
    assert await relay.deliver_due() == BATCH
    assert await waiting(database) == {0: 1, 1: 300 - BULK_BATCH}


async def waiting(database: Database) -> dict[int, int]:
    """How many rows of each class are left."""
    async with database.transaction() as connection:
        cursor = await connection.execute("SELECT priority, count(*) AS count FROM outbox GROUP BY priority")
        return {row["priority"]: row["count"] async for row in cursor}


async def test_a_row_that_cannot_be_told_keeps_nobody_waiting(database: Database, client: Client) -> None:
    await append(
        database, OutboxMessage("gone/u1/1", "start", {"campaign": "gone", "version": 1, "journey_id": "1"}), EXIT
    )
    assert await Relay(database, Catalogue(), client, "nobody").deliver_due() == 2
    assert await left(database) == ["start: KeyError"]


class Away(Interceptor):
    """Has Temporal not answer for one workflow, as when the shard that it is on is away."""

    def __init__(self, workflow_id: str) -> None:
        self._workflow_id = workflow_id

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        workflow_id = self._workflow_id

        class Outbound(OutboundInterceptor):
            async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
                if input.id == workflow_id:
                    raise RPCError("shard is away", RPCStatusCode.UNAVAILABLE, b"")
                return await super().start_workflow(input)

        return Outbound(next)


async def test_a_part_of_temporal_that_is_away_holds_up_nothing_else(database: Database, client: Client) -> None:
    partly = Client(client.service_client, data_converter=client.data_converter, interceptors=[Away("campaign/away")])
    relay = Relay(database, Catalogue(), partly, "nobody")
    await append(database, OutboxMessage("campaign/away", "campaign", {"campaign": "away"}))
    # Alone it says that all of Temporal is, so that nothing is postponed.
    with pytest.raises(TemporalAwayError):
        await relay.deliver_due()
    assert await left(database) == ["campaign: None"]
    await append(database, EXIT)
    assert await relay.deliver_due() == 2
    assert await left(database) == ["campaign: UNAVAILABLE: shard is away"]
    # Looked at again soon, however often it was so.
    async with database.transaction() as connection:
        await connection.execute("UPDATE outbox SET attempts = 1000, available_at = now()")
    await append(database, EXIT)
    assert await relay.deliver_due() == 2
    async with database.transaction() as connection:
        due = await outbox.next_due(connection, looked=0)
    assert due is not None
    assert 0 < due <= MAX_PAUSE


async def test_two_relays_share_the_outbox(harness: Harness, client: Client) -> None:
    """Beside the harness's own: each journey is started once, whichever takes it."""
    await harness.run_campaign(CART)
    stop = asyncio.Event()
    relay = asyncio.create_task(Relay(harness.database, Catalogue(), client, harness.settings.task_queue).run(stop))
    batch = [
        {
            "type": "track",
            "messageId": f"m{number}",
            "userId": f"u{number}",
            "event": "Cart Abandoned",
            "properties": {"value": 200, "cart_id": "c1"},
        }
        for number in range(60)
    ]
    await harness.post("batch", {"batch": batch})
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox)")
    stop.set()
    await relay
    for row in await harness.journeys.all():
        description = await client.get_workflow_handle(row["workflow_id"]).describe()
        assert description.status is not None
        assert description.status.name == "RUNNING"
