"""What one journey costs in Temporal: billable actions, events and bytes of history, beside bare workflows."""

from collections.abc import Sequence

import psycopg
from msgspec import Struct

from tests.bench.deployed import Deployed, deployed
from tests.bench.measure import Result, single
from tests.bench.people import CART, TWO
from tests.bench.stack import Stack
from tests.harness import actions


class Cost(Struct, frozen=True):
    """Of one workflow that has completed."""

    actions: int
    events: int
    size: int


async def measure(stack: Stack) -> list[Result]:
    async with deployed(stack, [CART.replace("DELAY", "1s"), TWO], 2) as place:
        one = await _journey(place, "Cart Abandoned", "cart")
        two = await _journey(place, "Trial Started", "two")
        bare_one = await _bare(place, "one", [1.0])
        bare_two = await _bare(place, "two", [1.0, 1.0])
    return [
        single("actions", one.actions, bare_one.actions),
        single("events", one.events, bare_one.events),
        single("bytes", one.size, bare_one.size),
        single("actions_two", two.actions, bare_two.actions),
        single("events_two", two.events, bare_two.events),
    ]


async def _journey(place: Deployed, event: str, campaign: str) -> Cost:
    before = await place.completed_so_far(place.queue)
    await place.enter_one("user-0", event)
    await place.completed(place.queue, before + 1)
    async with await psycopg.AsyncConnection.connect(place.database_url) as connection:
        cursor = await connection.execute("SELECT workflow_id FROM journeys WHERE campaign_key = %s", (campaign,))
        [(workflow_id,)] = await cursor.fetchall()
    return await _cost(place, workflow_id)


async def _bare(place: Deployed, name: str, rests: Sequence[float]) -> Cost:
    before = await place.completed_so_far(place.bare_queue)
    await place.bare.start(name, 1, rests, eager=True)
    await place.completed(place.bare_queue, before + 1)
    return await _cost(place, f"{name}/0")


async def _cost(place: Deployed, workflow_id: str) -> Cost:
    handle = place.client.get_workflow_handle(workflow_id)
    history = await handle.fetch_history()
    described = await handle.describe()
    size = described.raw_description.workflow_execution_info.history_size_bytes
    return Cost(actions(history), len(history.events), size)
