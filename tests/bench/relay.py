"""Starts that the relay tells Temporal of, beside signal-with-start by as many calls at once."""

import asyncio
import time
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from application.catalogue import Catalogue, LoadedVersion
from domain.journey import machine
from domain.journey.position import stored_at_start
from runtime.relay import CONCURRENT_CALLS, Relay
from store.database import Database
from tests.bench.measure import Measure, Result, beside, in_turns
from tests.bench.people import CART, entry, run_campaign, settle_in
from tests.bench.stack import Stack
from workflows import search_attributes
from workflows.journey import JourneyInput, JourneyWorkflow

STARTS, ROUNDS = 300, 5


async def measure(stack: Stack) -> list[Result]:
    starts = stack.count(STARTS, 4)
    url = await stack.database()
    await settle_in(url, starts)
    settings = stack.settings(url)
    async with stack.api(settings) as api:
        await run_campaign(api, CART.replace("DELAY", "1h"))
    catalogue = Catalogue()
    async with Database(url, pool_size=4) as database:
        async with database.transaction() as connection:
            version = await catalogue.version(connection, "cart", 1)
        # Nobody works on this queue: what is measured are the starts alone.
        relay = Relay(database, catalogue, stack.client, settings.task_queue)
        found = await in_turns(
            [_alone(stack, settings.task_queue, version, starts), _told(url, relay, starts)], stack.count(ROUNDS)
        )
    note = f"{CONCURRENT_CALLS} calls at once, the same input and search attributes"
    return [beside("relay", [(figure, floor) for floor, figure in found], note)]


def _told(url: str, relay: Relay, starts: int) -> Measure:
    """Starts a second, from the outbox to its last row's leaving."""

    async def once(number: int) -> float:
        await _fill(url, number)
        began = time.perf_counter()
        while await relay.deliver_due():
            pass
        return starts / (time.perf_counter() - began)

    return once


async def _fill(url: str, number: int) -> None:
    """A journey of each person, and the word of its start in the outbox."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            """
            WITH begun AS (
              INSERT INTO journeys (id, campaign_key, campaign_version, profile_id, entry_key, workflow_id, entry,
                                    entered_at, step, status)
              SELECT uuidv7(), 'cart', 1, id, %(round)s, 'cart/' || user_id || '/' || %(round)s, %(entry)s, now(),
                     'cool-off', 'waiting'
              FROM profiles RETURNING id, workflow_id
            )
            INSERT INTO outbox (workflow_id, kind, payload)
            SELECT workflow_id, 'start', jsonb_build_object('journey_id', id, 'campaign', 'cart', 'version', 1)
            FROM begun
            """,
            {"round": f"round-{number}", "entry": entry()},
        )


def _alone(stack: Stack, task_queue: str, version: LoadedVersion, starts: int) -> Measure:
    async def once(number: int) -> float:
        calls = asyncio.Semaphore(CONCURRENT_CALLS)
        begun = machine.begin(version.plan, datetime.now(UTC))
        step, state = shown = machine.status(version.plan, begun)

        async def start(index: int) -> None:
            async with calls:
                await stack.client.start_workflow(
                    JourneyWorkflow.run,
                    JourneyInput(uuid4(), version.key, version.plan, 1, shown, stored_at_start(version.plan, begun)),
                    id=f"alone/user-{index}/round-{number}",
                    task_queue=task_queue,
                    start_signal="resume",
                    search_attributes=TypedSearchAttributes(
                        [
                            SearchAttributePair(search_attributes.CAMPAIGN, version.key),
                            SearchAttributePair(search_attributes.CAMPAIGN_VERSION, version.version),
                            SearchAttributePair(search_attributes.USER_ID, f"user-{index}"),
                            SearchAttributePair(search_attributes.JOURNEY_STEP, step),
                            SearchAttributePair(search_attributes.JOURNEY_STATE, state),
                        ]
                    ),
                    static_summary=f"{version.key}, user user-{index}",
                )

        began = time.perf_counter()
        await asyncio.gather(*(start(index) for index in range(starts)))
        return starts / (time.perf_counter() - began)

    return once
