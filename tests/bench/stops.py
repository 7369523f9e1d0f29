"""The longest stop of the API's event loop while it serves what takes much work, beside a loop that rests as long."""

import asyncio
import gzip
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from statistics import median

import httpx
from msgspec.json import decode

from domain.tracking.batch import MAX_ITEMS
from tests.bench.http import Connection
from tests.bench.ingest import SEED, keep_house
from tests.bench.loop_watch import PATH, Stops
from tests.bench.measure import Result, single
from tests.bench.people import batches, run_campaign, settle_in, track, viewed
from tests.bench.stack import ANSWER_SECONDS, Stack

PEOPLE, ROUNDS = 10_000, 3
# One person's journeys, and a batch of their events, each of which must be held against each journey.
CARTS, ORDERS = 100, 4_800
CAMPAIGN = """
key: cart
name: Cart
entry: {event: Cart Abandoned, key: event.properties.cart_id}
exit: [{event: Order Completed, where: event.properties.value > entry.properties.value}]
steps:
  - {id: cool-off, delay: 30d}
  - {id: nudge, send: {channel: webhook, template: nudge, category: marketing}}
"""
# As many as a batch may have; of the ordinary kind they are 3.7 MB, of 4 that it may have.
VIEWS = MAX_ITEMS
# Half a kilobyte, from which half a megabyte comes: no JSON, so that its calls are looked for by its brackets.
BROKEN = gzip.compress(b'{"batch":[NaN,' + b"[]" * 250_000, 9)
BROKEN_AT_ONCE = 20

# Prepares a round; what it gives is done while the loop is watched.
Prepare = Callable[[int], Awaitable[Callable[[], Awaitable[object]]]]


async def measure(stack: Stack) -> list[Result]:
    seeded = random.Random(SEED)
    database_url = await stack.database()
    users = list(await settle_in(database_url, stack.count(PEOPLE, 20)))
    async with (
        stack.api(stack.settings(database_url), is_watched=True) as api,
        httpx.AsyncClient(base_url=api.url, timeout=ANSWER_SECONDS) as http,
    ):
        await run_campaign(api, CAMPAIGN)
        connections = [await Connection.open(api.url) for _ in range(stack.count(BROKEN_AT_ONCE, 2))]

        async def one_person(number: int) -> Callable[[], Awaitable[object]]:
            carts = [_cart("Cart Abandoned", users[number], cart, value=1_000) for cart in range(CARTS)]
            orders = [_cart("Order Completed", users[number], cart, value=1) for cart in range(stack.count(ORDERS))]
            [entering] = batches(carts, len(carts))
            [attack] = batches(orders, len(orders))
            await connections[0].post("/v1/batch", entering)
            return partial(connections[0].post, "/v1/batch", attack)

        async def full_batch(_: int) -> Callable[[], Awaitable[object]]:
            items = [viewed(seeded.choice(users), seeded) for _ in range(stack.count(VIEWS))]
            [body] = batches(items, len(items))
            return partial(connections[0].post, "/v1/batch", body)

        async def broken(_: int) -> Callable[[], Awaitable[object]]:
            async def post_all() -> None:
                await asyncio.gather(
                    *(connection.post("/v1/batch", BROKEN, expected=413) for connection in connections)
                )

            return post_all

        async def stops() -> Stops:
            return decode((await http.get(PATH)).content, type=Stops)

        async def rounds(prepare: Prepare) -> list[tuple[Stops, Stops]]:
            """The stops of the loop at work, and at rest for as long."""
            found = []
            for number in range(stack.count(ROUNDS) + 1):
                work = await prepare(number)
                await stops()
                began = time.perf_counter()
                await work()
                took, at_work = time.perf_counter() - began, await stops()
                await asyncio.sleep(took)
                found.append((at_work, await stops()))
            # As in other measurements: caches fill in the first, and code is compiled.
            return found[1:]

        await keep_house(database_url)
        results = [
            _worst("stop_person", await rounds(one_person)),
            _worst("stop_batch", await rounds(full_batch)),
            _worst("stop_broken", await rounds(broken)),
        ]
        for connection in connections:
            await connection.close()
    return results


def _worst(key: str, rounds: Sequence[tuple[Stops, Stops]]) -> Result:
    """The longest of all rounds: one that comes now and then is waited for as well."""
    figures, floors = ([stops.longest * 1e3 for stops in column] for column in zip(*rounds, strict=True))
    busiest = max(at_work.busiest for at_work, _ in rounds) * 1e3
    note = (
        f"the longest of {len(rounds)} rounds, their median {median(figures):.1f} ms; "
        f"in none had the loop more than {busiest:.1f} ms of the processor"
    )
    return single(key, max(figures), max(floors), note)


def _cart(event: str, user: str, cart: int, value: int) -> dict[str, object]:
    return track(user, event, {"value": value, "cart_id": f"cart-{cart}"})
