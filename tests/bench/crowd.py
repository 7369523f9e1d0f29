"""What a batch costs while few or many journeys are in flight: databases with each crowd, in turns."""

import random
from contextlib import AsyncExitStack

import psycopg

from tests.bench.http import Connection
from tests.bench.ingest import CLIENTS, SEED, Posting, one_of_ten
from tests.bench.measure import Measure, Result, beside, in_turns
from tests.bench.people import CART, batches, entry, run_campaign, settle_in
from tests.bench.stack import Stack

CROWDS = (10_000, 100_000, 1_000_000)
# Of each crowd, as many people do something.
LIVELY = 10_000
EVENTS, ROUNDS = 5_000, 6


async def measure(stack: Stack) -> list[Result]:
    events, seeded = stack.count(EVENTS, 200), random.Random(SEED)
    users = [f"user-{number}" for number in range(stack.count(LIVELY, 100))]
    async with AsyncExitStack() as opened:
        postings = []
        for crowd in CROWDS:
            url = await stack.database()
            await settle_in(url, stack.count(crowd, 100))
            api = await opened.enter_async_context(stack.api(stack.settings(url)))
            await run_campaign(api, CART.replace("DELAY", "30d"))
            await _send_off(url)
            connections = [await Connection.open(api.url) for _ in range(CLIENTS)]
            for connection in connections:
                opened.push_async_callback(connection.close)
            postings.append(Posting(connections))

        def of(posting: Posting) -> Measure:
            async def once(_: int) -> float:
                bodies = list(batches([one_of_ten(number, users, seeded) for number in range(events)]))
                return await posting(bodies) / len(bodies) * 1e3

            return once

        found = await in_turns([of(posting) for posting in postings], stack.count(ROUNDS))
    note = "batches of 100, of which 10 start or end a journey"
    return [
        beside("crowd_100k", [(more, few) for few, more, _ in found], note),
        beside("crowd_1m", [(most, few) for few, _, most in found], note),
    ]


async def _send_off(url: str) -> None:
    """Everybody is in flight."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            """
            INSERT INTO journeys (id, campaign_key, campaign_version, profile_id, workflow_id, entry, entered_at, step,
                                  status, wakes_at)
            SELECT uuidv7(), 'cart', 1, id, 'cart/' || user_id, %s, now(), 'cool-off', 'waiting',
                   now() + interval '30 days'
            FROM profiles
            """,
            (entry(),),
        )
        await connection.execute("VACUUM ANALYZE")
