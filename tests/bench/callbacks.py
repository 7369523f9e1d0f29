"""Ingest beside callbacks of a provider, 20,000 reports a minute, one in each: how much they slow it."""

import base64
import random
from collections.abc import Iterator
from uuid import UUID

import httpx
import msgspec
import psycopg

from domain.sending.outbound_secrets import BoundSecret
from settings import Settings
from tests.bench.http import Connection
from tests.bench.ingest import CLIENTS, Posting, keep_house
from tests.bench.measure import Result, beside, in_turns
from tests.bench.pace import TIME, Pace
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
_AUTHORIZATION = base64.b64encode(f"sojourn:{SECRET}".encode()).decode()


def _reports(url: str, messages: list[UUID]) -> list[bytes]:
    """Build the requests beforehand, but for their times; no report comes twice."""
    connection = Connection(url, _AUTHORIZATION)
    return [connection.build("/v1/callbacks/mails", body) for body in _bodies(messages)]


def _bodies(messages: list[UUID]) -> Iterator[bytes]:
    seeded = random.Random(SEED)
    times = dict.fromkeys(("DeliveredAt", "ReceivedAt", "BouncedAt"), TIME.decode())
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
        reports = _reports(api.url, await _hand_over(database_url, stack.count(MESSAGES, 4_000)))
        await posting(list(batches([viewed(seeded.choice(users), seeded) for _ in range(count)])))
        await keep_house(database_url)

        def build() -> list[bytes]:
            return list(batches([viewed(seeded.choice(users), seeded) for _ in range(count)]))

        async def alone(_: int) -> float:
            return count / await posting(build())

        async def disturbed(_: int) -> float:
            # Beforehand: reports that fall due meanwhile would all come in the seconds that are measured.
            bodies = build()
            async with reporting.beside() as rounds:
                took = await posting(bodies)
            [reported] = rounds
            # By more than those of its connections that are not answered yet.
            if reported.sent + REPORTERS < 0.9 * reported.seconds * PER_SECOND:
                raise RuntimeError(f"only {reported.sent} reports in {reported.seconds:.1f} s")
            return count / took

        async with Pace.open(api.url, reports, connections=REPORTERS, a_second=PER_SECOND) as reporting:
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
