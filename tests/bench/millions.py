"""Segments of a million people with ten million events: a pass, a preview, ingest, and who leaves by time."""

import random

import psycopg

from domain.people.computed.definition import TraitDefinition
from store import campaigns, computed_traits
from store.database import Database
from tests.bench.http import Connection
from tests.bench.ingest import CLIENTS, EVENTS, ROUNDS, SEED, Posting, keep_house
from tests.bench.measure import Measure, Result, beside, in_turns, single
from tests.bench.people import batches, settle_in
from tests.bench.previews import measure_preview
from tests.bench.segments import AFFECTED, PAGE, apply, judge_everyone, view_or_order, write_rows
from tests.bench.stack import Stack
from tests.bench.sweeper import ACTIVE, LEAVES, measure_lateness
from tests.bench.traits import apply_computed

PEOPLE, EVENTS_EACH = 1_000_000, 10
# The rows of the floor of the pass, and the people who report events while ingest is measured.
FLOOR, LIVELY = 100_000, 10_000
# To vacuum tables of ten million events takes minutes.
LEAD = 300
# The segments beside which ingest is measured. Events change nothing that those beyond the affected ones read.
NUMBERS = (50, 500)
TRAITS = f"""computed:
  orders: {{count: Order Completed}}
  orders_30d: {{count: Order Completed, within: 30d}}
  {ACTIVE}
"""
# A year of history, imported now: none to three orders a person, and views.
INSERT_EVENTS = """
INSERT INTO events (received_at, id, message_id, profile_id, type, name, user_id, properties, context, timestamp)
SELECT now(), uuidv7(), user_id || '-' || number, profiles.id, 'track',
       CASE WHEN number <= abs(uuid_hash(profiles.id)::bigint) %% 4 THEN 'Order Completed' ELSE 'Product Viewed' END,
       user_id, jsonb_build_object('value', number * 12, 'cart_id', 'cart-' || user_id), '{}',
       now() - random() * interval '365 days'
FROM profiles CROSS JOIN generate_series(1, %s) AS number
"""
INSERT_MESSAGE_IDS = """
INSERT INTO message_ids (source, message_id, event_id, received_at)
SELECT source, message_id, id, received_at FROM events
"""
# As the events are counted, without those that have left the window.
INSERT_STATES = """
INSERT INTO profile_states (profile_id, state)
SELECT profile_id, jsonb_build_object(%(orders)s::text, count(*), %(recent)s::text, jsonb_build_array(
         COALESCE(jsonb_agg(jsonb_build_array(counted_at, 1) ORDER BY counted_at) FILTER (WHERE is_recent), '[]'),
         '[]'::jsonb))
FROM (
  SELECT profile_id, (extract(epoch FROM timestamp) * 1000000)::bigint AS counted_at,
         timestamp > now() - interval '30 days' AS is_recent
  FROM events WHERE name = 'Order Completed'
) AS ordered GROUP BY profile_id
"""


async def measure(stack: Stack) -> list[Result]:
    """Measure one after the other in one database."""
    people = PEOPLE if stack.effort == 1 else 400
    url = await stack.database()
    await apply_computed(url, TRAITS)
    async with Database(url, pool_size=2) as database:
        # Without people they are ready at once.
        others = {
            f"other-{place}": f'profile.traits.tier_{place} == "gold"' for place in range(max(NUMBERS) - AFFECTED)
        }
        await apply(database, {"active": "profile.computed.active", **others})
        await _keep_others(database, 0)
        await settle_in(url, people)
        await _report_history(url, await _find_traits(database))
        rows = min(FLOOR, people)
        floor = rows / await write_rows(database, rows)
        figure = people / await judge_everyone(database)
    note = f"{AFFECTED} new segments that half of the people join, pages of {PAGE}, one worker"
    results = [single("pass_millions", figure, floor, note)]
    await keep_house(url)
    async with stack.api(stack.settings(url)) as api:
        results.append(await measure_preview(stack, api, url, "preview_millions", people))
        connections = [await Connection.open(api.url) for _ in range(CLIENTS)]
        results += await _measure_ingest(stack, Posting(connections), url, min(LIVELY, people))
        for connection in connections:
            await connection.close()
    return [*results, await measure_lateness(stack, url, "leaves_millions", LEAVES, offset=people, lead=LEAD)]


async def _measure_ingest(stack: Stack, posting: Posting, url: str, lively: int) -> list[Result]:
    """Measure batches beside few and many segments, in turns."""
    count, seeded = stack.count(EVENTS, 200), random.Random(SEED)
    users = [f"user-{number}" for number in range(lively)]

    def bodies() -> list[bytes]:
        return list(batches([view_or_order(number, seeded.choice(users), seeded) for number in range(count)]))

    async with Database(url, pool_size=1) as database:

        def of(others: int) -> Measure:
            async def once(_: int) -> float:
                await _keep_others(database, others)
                # The API compiles their conditions.
                await posting(bodies()[:1])
                return count / await posting(bodies())

            return once

        found = await in_turns([of(0), *(of(_count_others(stack, number)) for number in NUMBERS)], stack.count(ROUNDS))
        await _keep_others(database, 0)
    note = f"batches of 100, {CLIENTS} clients at once; a tenth of the events are orders, which affect {AFFECTED}"
    return [
        beside(f"ingest_millions_{number}", [(one[place], one[0]) for one in found], note)
        for place, number in enumerate(NUMBERS, 1)
    ]


def _count_others(stack: Stack, number: int) -> int:
    """Return how many of so many segments no event affects."""
    return stack.count(number, 2 * AFFECTED) - AFFECTED


async def _keep_others(database: Database, number: int) -> None:
    """Keep so many in force of the segments that no event affects."""
    async with database.transaction() as connection:
        await campaigns.lock_registry_exclusive(connection)
        await connection.execute(
            """
            UPDATE segments SET retired_at = CASE WHEN substr(key, 7)::int >= %s THEN now() END
            WHERE key LIKE 'other-%%'
            """,
            (number,),
        )


async def _find_traits(database: Database) -> dict[str, TraitDefinition]:
    async with database.transaction() as connection:
        return {one.definition.key: one.definition for one in await computed_traits.load(connection)}


async def _report_history(url: str, traits: dict[str, TraitDefinition]) -> None:
    """Store the events of everyone, and what they count up to."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(INSERT_EVENTS, (EVENTS_EACH,))
        await connection.execute(INSERT_MESSAGE_IDS)
        counted = {"orders": traits["orders"].id, "recent": traits["orders_30d"].id}
        await connection.execute(INSERT_STATES, counted)
        await connection.execute("VACUUM ANALYZE")
