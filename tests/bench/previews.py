"""Previews of segments among a million people, over HTTP."""

import time
from collections.abc import Sequence
from statistics import median
from uuid import UUID

import httpx
import psycopg

from application.people_condition import PAGE
from store import people_sample
from store.database import Database
from store.people_sample import ReadParts
from tests.bench.http import Connection
from tests.bench.measure import Result, single
from tests.bench.people import batches, ordered, settle_in
from tests.bench.stack import ADMIN_KEY, ANSWER_SECONDS, Process, Stack
from tests.bench.traits import apply_computed

PEOPLE = 1_000_000
SAMPLE = 20_000
ROUNDS = 7
TRAITS = "computed:\n  orders: {count: Order Completed}\n  orders_30d: {count: Order Completed, within: 30d}\n"
WHERE = "profile.computed.orders >= 1 && profile.computed.orders_30d == 1 && profile.traits.first_name == 'Ada'"
# Every tenth person has what the one with an event has.
COPY_STATES = """
INSERT INTO profile_states (profile_id, state, next_at)
SELECT profiles.id, state, next_at FROM profile_states CROSS JOIN profiles
WHERE uuid_hash(profiles.id) % 10 = 0 ON CONFLICT DO NOTHING
"""


async def measure(stack: Stack) -> list[Result]:
    """Measure previews, and reading as many people without evaluating anything."""
    people = stack.count(PEOPLE, 1_000)
    url = await stack.database()
    await apply_computed(url, TRAITS)
    await settle_in(url, people)
    async with stack.api(stack.settings(url)) as api:
        http = await Connection.open(api.url)
        await http.post("/v1/batch", next(batches([ordered("user-0")])))
        await http.close()
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute(COPY_STATES)
            await connection.execute("VACUUM ANALYZE profiles, profile_states")
        return [await measure_preview(stack, api, url, "preview", people)]


async def measure_preview(stack: Stack, api: Process, url: str, key: str, people: int) -> Result:
    """Measure previews among so many people."""
    sample = min(SAMPLE, people)
    figures = [await _preview(api, sample) for _ in range(stack.count(ROUNDS) + 1)]
    async with Database(url, pool_size=1) as database:
        floors = [await _read(database, sample, start) for start in range(stack.count(ROUNDS) + 1)]
    # The first ones find cold caches.
    note = f"{sample:,} of {people:,} people drawn, a condition of three parts; at most {max(figures):,.0f} ms"
    return single(key, median(figures[1:]), median(floors[1:]), note)


async def _preview(api: Process, sample: int) -> float:
    """Return the milliseconds of a preview."""
    body = {"where": WHERE, "sample": sample}
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with httpx.AsyncClient(base_url=api.url, headers=headers, timeout=ANSWER_SECONDS) as http:
        began = time.monotonic()
        (await http.post("/v1/segments/preview", json=body)).raise_for_status()
        return (time.monotonic() - began) * 1_000


async def _read(database: Database, sample: int, start: int) -> float:
    """Return the milliseconds of reading people drawn at random."""
    began = time.monotonic()
    async with database.transaction() as connection:
        drawn: Sequence[UUID] = await people_sample.draw(connection, start, sample)
        for first in range(0, len(drawn), PAGE):
            parts = ReadParts(values=True, consent=False, learned=False, state=True)
            await people_sample.read(connection, drawn[first : first + PAGE], parts)
    return (time.monotonic() - began) * 1_000
