"""The console's requests where a million journeys are: how long the slowest takes, and how much viewers slow ingest."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median

import httpx
import psycopg

from application.count_sweeper import CountSweeper
from store.database import Database
from tests.bench.http import Connection
from tests.bench.ingest import CLIENTS, EVENTS, ROUNDS, SEED, Posting, keep_house
from tests.bench.measure import Result, beside, in_turns, single
from tests.bench.people import batches, entry, run_campaign, settle_in, viewed
from tests.bench.stack import ADMIN_KEY, ANSWER_SECONDS, Process, Stack

JOURNEYS = 1_000_000
# The people who report events while ingest is measured, and those who look at the graph, each again every two seconds.
LIVELY, VIEWERS, PAUSE = 10_000, 10, 2.0
# Live streams of one key.
VIEWERS_OF_KEY = 5
TIMES = 5
CAMPAIGN = """
key: world
name: World
entry: {event: World Entered}
exit: [{event: World Left}]
steps:
  - {id: rest, delay: 30d}
  - {id: mail, send: {channel: webhook, template: nudge, category: marketing}}
  - {id: after, delay: 30d}
"""
# Half of them wait for their message, a quarter got it, and a quarter was refused it.
INSERT_JOURNEYS = """
INSERT INTO journeys (id, campaign_key, campaign_version, profile_id, workflow_id, entry, entered_at, since, step,
                      status, wakes_at)
SELECT uuidv7(), 'world', 1, id, 'world/' || user_id, %(entry)s, entered_at, entered_at,
       CASE WHEN abs(uuid_hash(id)::bigint) %% 2 = 0 THEN 'rest' ELSE 'after' END, 'waiting', now() + interval '30 days'
FROM profiles, LATERAL (SELECT now() - abs(uuid_hash(id)::bigint) %% 14 * interval '1 day' AS entered_at) AS each
"""
INSERT_ENTRIES = """
INSERT INTO decisions (id, profile_id, campaign_key, journey_id, kind, outcome, at)
SELECT uuidv7(), profile_id, campaign_key, id, 'entry', 'entered', entered_at FROM journeys
"""
INSERT_REFUSALS = """
INSERT INTO decisions (id, profile_id, campaign_key, journey_id, kind, outcome, reason, step, data, at)
SELECT uuidv7(), profile_id, campaign_key, id, 'send', 'refused',
       CASE WHEN place %% 3 = 0 THEN 'capped' ELSE 'no_consent' END, 'mail',
       CASE WHEN place %% 3 = 0 THEN %(capped)s ELSE %(no_consent)s END::jsonb, now() - place %% 7 * interval '1 day'
FROM (SELECT *, abs(uuid_hash(id)::bigint) AS place FROM journeys WHERE step = 'after') AS journeys WHERE place %% 2 = 0
"""
CAPPED = json.dumps(
    {
        **{"rule": "daily", "count": 2, "limit": 2, "window_seconds": 86_400, "timezone": "Europe/Berlin"},
        "frees_at": "2026-01-02T09:00:00+00:00",
        "taken": {"world": 2},
    }
)
NO_CONSENT = json.dumps({"channel": "webhook", "detail": "the person has not agreed to marketing by webhook"})
INSERT_MESSAGES = """
INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, template, state, at,
                      expires_at)
SELECT uuidv7(), id, profile_id, campaign_key, 'mail', 1, 'webhook', 'marketing', 'nudge', 'sent',
       now() - abs(uuid_hash(id)::bigint) %% 7 * interval '1 day', now() + interval '1 day'
FROM journeys WHERE step = 'after' AND abs(uuid_hash(id)::bigint) %% 2 = 1
"""
# What the pages ask for, with the filters that read the most.
ASKED = (
    "/v1/campaigns",
    "/v1/campaign-numbers?days=14",
    "/v1/campaigns/world",
    "/v1/campaigns/world/graph",
    "/v1/campaigns/world/versions",
    "/v1/journeys",
    "/v1/journeys?campaign=world&step=after",
    "/v1/journeys?campaign=world&state=active&status=waiting",
    "/v1/journeys?outcome=completed",
    "/v1/non-sends?by=reason",
    "/v1/non-sends?by=campaign",
    "/v1/non-sends?by=step&reason=no_consent",
    "/v1/non-sends?by=rule",
    "/v1/non-sends?by=day&campaign=world",
    "/v1/non-sends/people?reason=no_consent",
    "/v1/non-sends/people?campaign=world&step=mail&rule=daily",
    "/v1/caps/pressure",
    "/v1/message-counts?by=channel",
    "/v1/message-counts?by=provider",
    "/v1/message-counts?by=campaign",
    "/v1/message-counts?by=day",
    "/v1/messages",
    "/v1/messages?campaign=world&step=mail&state=sent",
    "/v1/messages?state=failed",
    "/v1/deliverability",
    "/v1/users",
    "/v1/users?trait=first_name&value=Ada",
    "/v1/users/user-1",
    "/v1/users/user-1/timeline",
    # People of every kind: messages that were sent, capped, refused, and not due yet.
    *(f"/v1/users/user-{number}/timeline" for number in range(2, 12)),
    "/v1/segments",
    "/v1/lifecycle",
    "/v1/surveys",
    "/v1/rejects",
    "/v1/schema",
    "/v1/operations",
    "/v1/reconciliations",
    "/v1/keys",
    "/v1/audit-log",
    "/v1/approvals",
)
FLOOR = "/v1/journeys"
GRAPH, NUMBERS = "/v1/campaigns/world/graph", "/v1/campaign-numbers?days=14"


async def measure(stack: Stack) -> list[Result]:
    url = await stack.database()
    people, count, seeded = stack.count(JOURNEYS, 200), stack.count(EVENTS, 200), random.Random(SEED)
    await settle_in(url, people)
    users = [f"user-{number}" for number in range(min(LIVELY, people))]
    async with stack.api(stack.settings(url)) as api:
        await run_campaign(api, CAMPAIGN)
        began = time.perf_counter()
        rows = await _live(url)
        folded = time.perf_counter() - began
        await keep_house(url)
        took = await _ask(api, stack.count(TIMES))
        connections = [await Connection.open(api.url) for _ in range(CLIENTS)]
        posting = Posting(connections)

        async def post() -> float:
            bodies = list(batches([viewed(seeded.choice(users), seeded) for _ in range(count)]))
            return count / await posting(bodies)

        async def alone(_: int) -> float:
            return await post()

        async def looked_at(_: int) -> float:
            async with _viewers(api):
                return await post()

        async def followed(_: int) -> float:
            async with _followers(api) as is_shown:
                figure = await post()
                async with asyncio.timeout(ANSWER_SECONDS):
                    await is_shown.wait()
                return figure

        found = await in_turns([alone, looked_at, followed], stack.count(ROUNDS))
        for connection in connections:
            await connection.close()
    slowest = sorted(took, key=took.__getitem__, reverse=True)
    said = ", ".join(f"{path} {took[path]:.0f} ms" for path in slowest[:5])
    return [
        single("console", took[slowest[0]], took[FLOOR], f"{rows} rows folded in {folded:.0f} s; {said}"),
        beside("ingest_console", [(figure, floor) for floor, figure, _ in found], f"{VIEWERS} look, batches of 100"),
        beside("ingest_live", [(figure, floor) for floor, _, figure in found], f"{VIEWERS} follow, batches of 100"),
    ]


async def _live(url: str) -> int:
    """Everybody has a journey; return how many rows the sweeper has folded, until none was left."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for statement in (INSERT_JOURNEYS, INSERT_ENTRIES, INSERT_REFUSALS, INSERT_MESSAGES):
            await connection.execute(statement, {"entry": entry(), "capped": CAPPED, "no_consent": NO_CONSENT})
        await connection.execute("VACUUM ANALYZE")
    number = 0
    async with Database(url, pool_size=2) as database:
        sweeper = CountSweeper(database)
        while True:
            swept = await sweeper.sweep()
            number += swept.number
            if swept.seconds is None:
                return number


async def _ask(api: Process, times: int) -> dict[str, float]:
    """Ask for everything that pages show; the median of each in milliseconds."""
    took: dict[str, float] = {}
    async with _client(api) as http:
        for path in ASKED:
            durations = []
            for _ in range(times):
                began = time.perf_counter()
                (await http.get(path)).raise_for_status()
                durations.append((time.perf_counter() - began) * 1e3)
            took[path] = median(durations)
    return took


@asynccontextmanager
async def _viewers(api: Process) -> AsyncIterator[None]:
    """People who look at the campaign and its graph as long as the block runs."""

    async def look(http: httpx.AsyncClient, first: float) -> None:
        await asyncio.sleep(first)
        tags: dict[str, str] = {}
        while True:
            for path in (GRAPH, NUMBERS):
                answer = await http.get(path, headers={"If-None-Match": tags.get(path, "")})
                tags[path] = answer.headers["ETag"]
            await asyncio.sleep(PAUSE)

    async with _client(api) as http, asyncio.TaskGroup() as group:
        tasks = [group.create_task(look(http, PAUSE * number / VIEWERS)) for number in range(VIEWERS)]
        yield
        for task in tasks:
            task.cancel()


@asynccontextmanager
async def _followers(api: Process) -> AsyncIterator[asyncio.Event]:
    """People who follow live events as long as the block runs; it says once one was shown an event."""
    is_shown, began = asyncio.Event(), asyncio.Semaphore(0)

    async def follow(http: httpx.AsyncClient, key: str) -> None:
        async with http.stream("GET", "/v1/live-events", headers={"Authorization": f"Bearer {key}"}) as response:
            response.raise_for_status()
            began.release()
            async for line in response.aiter_lines():
                if line == "event: event":
                    is_shown.set()

    async with _client(api) as http, asyncio.TaskGroup() as group:
        made = [
            await http.post("/v1/keys", json={"name": f"viewers {number}", "scopes": ["read", "people"]})
            for number in range(VIEWERS // VIEWERS_OF_KEY)
        ]
        keys = [one.raise_for_status().json()["token"] for one in made]
        tasks = [group.create_task(follow(http, keys[number // VIEWERS_OF_KEY])) for number in range(VIEWERS)]
        for _ in tasks:
            await began.acquire()
        yield is_shown
        for task in tasks:
            task.cancel()


def _client(api: Process) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    return httpx.AsyncClient(base_url=api.url, headers=headers, timeout=ANSWER_SECONDS)
