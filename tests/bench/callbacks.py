"""Ingest beside callbacks of a provider, 20,000 reports a minute, one in each: how much they slow it."""

import asyncio
import base64
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import httpx
import msgspec
import psycopg

from domain.sending.outbound_secrets import BoundSecret
from settings import Settings
from tests.bench.http import Connection
from tests.bench.ingest import CLIENTS, Posting, keep_house
from tests.bench.measure import Result, beside, in_turns
from tests.bench.people import CART, abandoned, batches, run_campaign, settle_in, viewed
from tests.bench.stack import ADMIN_KEY, ANSWER_SECONDS, Process, Stack

PEOPLE, MESSAGES, EVENTS, ROUNDS = 2_000, 100_000, 60_000, 5
REPORTERS = 300
PER_SECOND = 20_000 / 60
SEED = 20_261_201
SECRET = "a-secret-of-the-bench-1234"
DOCUMENT = """
providers:
  mails:
    {kind: postmark, channel: email, token: {env: SOJOURN_SECRET_HOOK}, callback_secret: {env: SOJOURN_SECRET_HOOK}}
"""
# As many of a hundred reports as providers send of each.
KINDS = {"Delivery": 60, "Open": 30, "Click": 7, "Bounce": 3}
# Stands in a request for the time at which it is sent.
_TIME = b"0000-00-00T00:00:00.000000+00:00"
_AUTHORIZATION = base64.b64encode(f"sojourn:{SECRET}".encode()).decode()


class Reporting:
    """A provider that reports at its pace, whatever the answers take; no report comes twice.

    Its requests are built beforehand but for the time: it shares the processors with what is measured.
    """

    def __init__(self, url: str, messages: list[UUID]) -> None:
        self._url = url
        connection = Connection(url, _AUTHORIZATION)
        bodies = _bodies(messages)
        self._waiting = iter([connection.build("/v1/callbacks/mails", body) for body in bodies])
        self.sent = 0

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        """Report as long as the block runs."""
        connections = [await Connection.open(self._url, _AUTHORIZATION) for _ in range(REPORTERS)]
        first, began, is_over = self.sent, time.perf_counter(), False

        async def report(connection: Connection) -> None:
            while not is_over:
                place = self.sent - first
                self.sent += 1
                await asyncio.sleep(began + place / PER_SECOND - time.perf_counter())
                now = datetime.now(UTC).isoformat(timespec="microseconds")
                await connection.send(next(self._waiting).replace(_TIME, now.encode()))
            await connection.close()

        async with asyncio.TaskGroup() as tasks:
            for connection in connections:
                tasks.create_task(report(connection))
            yield
            is_over = True
            took, sent = time.perf_counter() - began, self.sent - first
        # By more than those of its connections that are not answered yet.
        if sent + REPORTERS < 0.9 * took * PER_SECOND:
            raise RuntimeError(f"only {sent} reports in {took:.1f} s")


def _bodies(messages: list[UUID]) -> Iterator[bytes]:
    seeded = random.Random(SEED)
    times = dict.fromkeys(("DeliveredAt", "ReceivedAt", "BouncedAt"), _TIME.decode())
    more = {"Type": "Transient", "OriginalLink": "https://shop.example.com/cart?id=4711"}
    kinds = seeded.choices(list(KINDS), list(KINDS.values()), k=len(messages))
    for number, (record, message) in enumerate(zip(kinds, messages, strict=True)):
        yield msgspec.json.encode(
            {"RecordType": record, "ID": number, "Metadata": {"message_id": str(message)}, **times, **more}
        )


async def measure(stack: Stack) -> list[Result]:
    count, seeded = stack.count(EVENTS, 400), random.Random(SEED)
    database_url = await stack.database()
    users = list(await settle_in(database_url, stack.count(PEOPLE, 100)))
    async with stack.api(_with_secret(stack.settings(database_url))) as api:
        await _configure(api)
        connections = [await Connection.open(api.url) for _ in range(CLIENTS)]
        posting = Posting(connections)
        await posting(list(batches([abandoned(user) for user in users])))
        reporting = Reporting(api.url, await _hand_over(database_url, stack.count(MESSAGES, 4_000)))
        await posting(list(batches([viewed(seeded.choice(users), seeded) for _ in range(count)])))
        await keep_house(database_url)

        def build() -> list[bytes]:
            return list(batches([viewed(seeded.choice(users), seeded) for _ in range(count)]))

        async def alone(_: int) -> float:
            return count / await posting(build())

        async def disturbed(_: int) -> float:
            # Beforehand: reports that fall due meanwhile would all come in the seconds that are measured.
            bodies = build()
            async with reporting.beside():
                return count / await posting(bodies)

        found = await in_turns([alone, disturbed], stack.count(ROUNDS))
        for opened in connections:
            await opened.close()
    note = f"{REPORTERS} connections, {sum(KINDS.values()) - KINDS['Delivery']} % of the reports are events"
    return [beside("ingest_callbacks", [(figure, floor) for floor, figure in found], note)]


def _with_secret(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhook_secrets": {"HOOK": BoundSecret(SECRET, place="SOJOURN_SECRET_HOOK")}})


async def _configure(api: Process) -> None:
    await run_campaign(api, CART.replace("DELAY", "1h"))
    admin = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with httpx.AsyncClient(base_url=api.url, headers=admin, timeout=ANSWER_SECONDS) as http:
        body = {"file": "providers.yaml", "source": DOCUMENT}
        (await http.put("/v1/providers", json=body)).raise_for_status()


async def _hand_over(database_url: str, count: int) -> list[UUID]:
    """Messages that the provider was handed, in no order; their rows are written as often as those of others."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        cursor = await connection.execute(
            """
            INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, template,
                                  state, at, expires_at, attempts, provider, address)
            SELECT gen_random_uuid(), id, profile_id, campaign_key, 'nudge', visit, 'email', 'marketing', 'nudge',
                   'reserved', now(), now() + interval '1 day', 1, 'mails', profile_id || '@example.com'
            FROM journeys, generate_series(1, 1 + %s / (SELECT count(*) FROM journeys)) AS visit LIMIT %s
            RETURNING id
            """,
            (count, count),
        )
        ids = [row[0] for row in await cursor.fetchall()]
        for state in ("sending", "sent"):
            await connection.execute("UPDATE messages SET state = %s, settled_at = now()", (state,))
        return ids
