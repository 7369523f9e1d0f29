"""Events in over HTTP, beside the bulk insert of the same events."""

import asyncio
import random
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from domain.tracking.decode import decode
from domain.tracking.event import DEFAULT_SOURCE
from domain.tracking.stored_event import StoredEvent
from store import events
from store.database import configure
from tests.bench.http import Connection
from tests.bench.measure import Measure, Result, beside, in_turns
from tests.bench.people import CART, abandoned, batches, ordered, run_campaign, settle_in, viewed
from tests.bench.stack import Stack

PEOPLE = 10_000
EVENTS, ROUNDS = 20_000, 7
CLIENTS = 4
SEED = 1


class Posting:
    """Batches over HTTP, by some clients at once; events a second."""

    def __init__(self, connections: list[Connection]) -> None:
        self._connections = connections

    async def __call__(self, bodies: list[bytes]) -> float:
        """Post them all; seconds."""
        waiting = iter(bodies)

        async def client(connection: Connection) -> None:
            for body in waiting:
                await connection.post("/v1/batch", body)

        began = time.perf_counter()
        await asyncio.gather(*(client(connection) for connection in self._connections))
        return time.perf_counter() - began


class Inserting:
    """The one statement with the rows of a batch ready made, and the commit."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], profiles: dict[str, UUID]) -> None:
        self._connection = connection
        self._profiles = profiles

    async def __call__(self, bodies: list[bytes]) -> float:
        """Insert them all; seconds."""
        rows = [self._rows(body) for body in bodies]
        began = time.perf_counter()
        for items in rows:
            await self._connection.execute(events.INSERT, {"items": items, "received_at": datetime.now(UTC)})
            await self._connection.commit()
        return time.perf_counter() - began

    def _rows(self, body: bytes) -> Jsonb:
        now = datetime.now(UTC)
        decoded = decode(body, kind="batch", source=DEFAULT_SOURCE, received_at=now, new_id=uuid4)
        stored = [StoredEvent(self._profiles[event.user_id or ""], event) for event in decoded.events]
        text = msgspec.json.encode(events.rows(stored))
        return Jsonb(None, dumps=lambda _: text)


async def measure(stack: Stack) -> list[Result]:
    count, seeded = stack.count(EVENTS, 200), random.Random(SEED)
    database_url = await stack.database()
    profiles = await settle_in(database_url, stack.count(PEOPLE, 200))
    users = list(profiles)
    async with (
        stack.api(stack.settings(database_url)) as api,
        await psycopg.AsyncConnection.connect(database_url) as connection,
    ):
        await configure(connection)
        await run_campaign(api, CART.replace("DELAY", "1h"))
        connections = [await Connection.open(api.url) for _ in range(CLIENTS)]
        posting, inserting = Posting(connections), Inserting(connection, profiles)

        def unheard() -> list[bytes]:
            return list(batches([viewed(seeded.choice(users), seeded) for _ in range(count)]))

        def heard() -> list[bytes]:
            return list(batches([one_of_ten(number, users, seeded) for number in range(count)]))

        # As in a database that has been in use: by what it knew of empty tables, PostgreSQL would read whole ones until
        # it looked at them again by itself, which it does once a minute.
        await posting(unheard())
        await posting(heard())
        await keep_house(database_url)

        def of(how: Posting | Inserting, what: Any) -> Measure:
            async def once(_: int) -> float:
                return count / await how(what())

            return once

        found = await in_turns(
            [of(inserting, unheard), of(posting, unheard), of(inserting, heard), of(posting, heard)],
            stack.count(ROUNDS),
        )
        for opened in connections:
            await opened.close()
    note = f"batches of 100, {CLIENTS} clients at once"
    return [
        beside("ingest", [(figure, floor) for floor, figure, _, _ in found], note),
        beside("ingest_heard", [(figure, floor) for _, _, floor, figure in found], note),
    ]


async def keep_house(database_url: str) -> None:
    """What PostgreSQL does by itself from time to time."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("VACUUM ANALYZE")


def one_of_ten(number: int, users: list[str], seeded: random.Random) -> dict[str, Any]:
    """Every tenth event starts a journey or ends one, in turns."""
    user = seeded.choice(users)
    if number % 10:
        return viewed(user, seeded)
    return ordered(user) if number % 20 else abandoned(user)
