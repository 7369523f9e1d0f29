"""Ingest beside many segments of which few are affected, and the pass of new ones over everyone."""

import random
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from application.catalogue import Catalogue
from application.operations.runner import OperationRunner
from application.segments import JudgeHandler, SegmentText, apply_segments
from domain.access import SOJOURN
from domain.people.computed.state_row import StateRow
from domain.people.segments.definition import SegmentRule
from store import campaigns, profile_states, profiles
from store.database import Database
from tests.bench.http import Connection
from tests.bench.ingest import CLIENTS, EVENTS, PEOPLE, ROUNDS, SEED, Posting, keep_house
from tests.bench.measure import Measure, Result, beside, in_turns, single
from tests.bench.people import batches, ordered, settle_in, viewed
from tests.bench.stack import Stack
from tests.bench.traits import apply_computed

TRAITS = "computed:\n  orders: {count: Order Completed}\n  orders_30d: {count: Order Completed, within: 30d}\n"
# Segments of each deployment. The first ones read what orders change, and no event changes what the others read.
AFFECTED, NUMBERS = 5, (5, 50, 500)
PAGE = 200


async def measure(stack: Stack) -> list[Result]:
    """Measure deployments side by side, with the same people and events, then a pass over everyone."""
    count, seeded = stack.count(EVENTS, 200), random.Random(SEED)
    async with AsyncExitStack() as opened:
        deployed = [await _deploy(opened, stack, min(number, stack.count(number, 2 * AFFECTED))) for number in NUMBERS]
        users = [f"user-{number}" for number in range(stack.count(PEOPLE, 200))]

        def bodies() -> list[bytes]:
            return list(batches([view_or_order(number, seeded.choice(users), seeded) for number in range(count)]))

        # As in a database that has been in use: see `ingest`.
        for posting, url in deployed:
            await posting(bodies())
            await keep_house(url)

        def of(posting: Posting) -> Measure:
            async def once(_: int) -> float:
                return count / await posting(bodies())

            return once

        found = await in_turns([of(posting) for posting, _ in deployed], stack.count(ROUNDS))
        note = f"batches of 100, {CLIENTS} clients at once; a tenth of the events are orders, which affect {AFFECTED}"
        results = [
            beside(f"ingest_segments_{number}", [(one[place], one[0]) for one in found], note)
            for place, number in enumerate(NUMBERS)
            if place
        ]
        url = deployed[0][1]
    async with Database(url, pool_size=2) as database:
        floor = len(users) / await write_rows(database, len(users))
        figure = len(users) / await judge_everyone(database)
    note = f"{AFFECTED} new segments that half of the people join, pages of {PAGE}, one worker"
    return [*results, single("segments_pass", figure, floor, note)]


async def _deploy(opened: AsyncExitStack, stack: Stack, number: int) -> tuple[Posting, str]:
    """Start the API of a database with people and segments; return its clients and the database."""
    url = await stack.database()
    await settle_in(url, stack.count(PEOPLE, 200))
    await apply_computed(url, TRAITS)
    affected = [
        f"profile.computed.orders >= {place + 1} && profile.computed.orders_30d >= 1" for place in range(AFFECTED)
    ]
    conditions = affected + [f'profile.traits.tier_{place} == "gold"' for place in range(AFFECTED, number)]
    async with Database(url, pool_size=2) as database:
        await apply(database, {f"segment-{place}": where for place, where in enumerate(conditions)})
    api = await opened.enter_async_context(stack.api(stack.settings(url)))
    connections = [await Connection.open(api.url) for _ in range(CLIENTS)]
    for connection in connections:
        opened.push_async_callback(connection.close)
    return Posting(connections), url


async def apply(database: Database, conditions: Mapping[str, str]) -> None:
    """Put segments in force, by key, and judge everyone by them."""
    async with database.transaction() as connection:
        await campaigns.lock_registry_exclusive(connection)
        texts = [SegmentText(key, key, where, SegmentRule(where)) for key, where in conditions.items()]
        await apply_segments(connection, texts, SOJOURN)
    runner = OperationRunner(database, {"judge": JudgeHandler(Catalogue())})
    if await runner.work_on_deployment() is not None:
        raise RuntimeError("not everyone was judged")


async def judge_everyone(database: Database) -> float:
    """Return the seconds of a pass by new segments, which half of the people join."""
    conditions = {f"new-{place}": f"profile.computed.orders % {2 * place + 2} <= {place}" for place in range(AFFECTED)}
    began = time.monotonic()
    await apply(database, conditions)
    return time.monotonic() - began


async def write_rows(database: Database, limit: int) -> float:
    """Return the seconds of locking so many people and writing their states, by the pages of a pass."""
    began, last = time.monotonic(), None
    for _ in range(0, limit, PAGE):
        async with database.transaction() as connection:
            ids = await profiles.ids_after(connection, last, PAGE)
            people = await (await profiles.lock(connection, ids)).get()
            rows = await (await profile_states.read(connection, people.keys())).get()
            await profile_states.write(connection, {id: rows.get(id, StateRow()) for id in people})
        last = ids[-1]
    return time.monotonic() - began


def view_or_order(number: int, user: str, seeded: random.Random) -> dict[str, Any]:
    """Every tenth event is an order."""
    return viewed(user, seeded) if number % 10 else ordered(user)
