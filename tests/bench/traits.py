"""Ingest beside what listens to others: computed traits that a tenth feeds, calls that no rule mentions."""

import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from application.computed_traits import BackfillHandler
from application.deployment_documents import DeploymentDocuments
from application.operations.runner import OperationRunner
from domain.access import SOJOURN
from domain.deployment_documents import COMPUTED
from runtime.documents import DocumentProcesses
from store.database import Database
from tests.bench.http import Connection
from tests.bench.ingest import CLIENTS, EVENTS, PEOPLE, ROUNDS, SEED, Posting, keep_house
from tests.bench.measure import Measure, Result, beside, in_turns
from tests.bench.people import batches, ordered, run_campaign, settle_in, track, viewed
from tests.bench.stack import Stack

TRAITS = 20
# Each twice.
RULES = (
    "{count: Order Completed}",
    "{count: Order Completed, within: 30d}",
    "{sum: Order Completed, of: event.properties.value}",
    "{sum: Order Completed, of: event.properties.value, within: 7d}",
    "{max: Order Completed, of: event.properties.value}",
    "{last: Order Completed}",
    "{any: Order Completed, within: 14d}",
    "{top: Order Completed, of: event.properties.cart_id}",
    "{count: Order Completed, where: event.properties.value > 100}",
    "{first: Order Completed}",
)
DOCUMENT = "computed:\n" + "".join(f"  trait_{number}: {RULES[number % len(RULES)]}\n" for number in range(TRAITS))
# Hears calls of each type, by other names.
ELSEWHERE = """
key: elsewhere
name: Elsewhere
entry: {page: Pricing, where: profile.computed.trait_0 > 2}
exit:
  - {screen: Checkout}
  - {changed: profile.traits.plan, where: event.properties.after == "team"}
  - {consent: email}
steps: [{id: rest, delay: 1h}]
"""
CALLS = ("page", "screen", "group", "identify")


async def measure(stack: Stack) -> list[Result]:
    """Measure deployments side by side, with the same people and calls."""
    count, seeded = stack.count(EVENTS, 200), random.Random(SEED)
    async with AsyncExitStack() as opened:
        plain, listening = [await _deploy(opened, stack, is_listening=is_listening) for is_listening in (False, True)]
        users = [f"user-{number}" for number in range(stack.count(PEOPLE, 200))]

        def fed() -> list[bytes]:
            return list(batches([_one_of_ten(number, seeded.choice(users), seeded) for number in range(count)]))

        def unmentioned() -> list[bytes]:
            return list(batches([called(CALLS[number % 4], seeded.choice(users)) for number in range(count)]))

        turns = [(plain, fed), (listening, fed), (plain, unmentioned), (listening, unmentioned)]
        # As in a database that has been in use: see `ingest`.
        for (posting, _), bodies in turns:
            await posting(bodies())
        for _, url in (plain, listening):
            await keep_house(url)

        def of(posting: Posting, bodies: Callable[[], list[bytes]]) -> Measure:
            async def once(_: int) -> float:
                return count / await posting(bodies())

            return once

        found = await in_turns([of(posting, bodies) for (posting, _), bodies in turns], stack.count(ROUNDS))
    note = f"batches of 100, {CLIENTS} clients at once"
    return [
        beside("ingest_traits", [(figure, floor) for floor, figure, _, _ in found], f"{note}, {TRAITS} traits"),
        beside("ingest_unmentioned", [(figure, floor) for _, _, floor, figure in found], note),
    ]


async def _deploy(opened: AsyncExitStack, stack: Stack, *, is_listening: bool) -> tuple[Posting, str]:
    """Start the API of a database with people, and with traits and a campaign; return its clients and the database."""
    url = await stack.database()
    await settle_in(url, stack.count(PEOPLE, 200))
    if is_listening:
        await apply_computed(url, DOCUMENT)
    api = await opened.enter_async_context(stack.api(stack.settings(url)))
    if is_listening:
        await run_campaign(api, ELSEWHERE)
    connections = [await Connection.open(api.url) for _ in range(CLIENTS)]
    for connection in connections:
        opened.push_async_callback(connection.close)
    return Posting(connections), url


async def apply_computed(url: str, document: str) -> None:
    """Put computed traits in force, and count the history of all people."""
    async with Database(url, pool_size=1) as database:
        await DeploymentDocuments(database, DocumentProcesses()).put(COMPUTED, document, "computed.yaml", by=SOJOURN)
        runner = OperationRunner(database, {"backfill": BackfillHandler()})
        if await runner.work_on_deployment() is not None:
            raise RuntimeError("the history was not counted")


def _one_of_ten(number: int, user: str, seeded: random.Random) -> dict[str, Any]:
    """Every tenth event feeds the traits."""
    return viewed(user, seeded) if number % 10 else ordered(user)


def called(type: str, user: str) -> dict[str, Any]:
    """A call that is no event, as a shop's backend reports it."""
    call = {**track(user, "", {}), "type": type}
    del call["event"], call["properties"]
    match type:
        case "group":
            return {**call, "groupId": "group-7", "traits": {"industry": "Retail", "employees": 120}}
        case "identify":
            return {**call, "traits": {"first_name": "Ada", "timezone": "Europe/Berlin"}}
        case _:
            return {**call, "name": "Home", "properties": {"path": "/", "title": "Watering cans"}}
