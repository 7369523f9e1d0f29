"""How late the sweeper reports what time alone changes, at many and at few changes a second."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from store.database import Database
from tests.bench.deployed import PATIENCE
from tests.bench.http import Connection
from tests.bench.ingest import keep_house
from tests.bench.measure import Result, percentile, single
from tests.bench.people import batches, run_campaign, settle_in, track
from tests.bench.segments import apply
from tests.bench.stack import Stack
from tests.bench.traits import apply_computed

MANY, FEW = 1_000, 10
SECONDS = 30
# At a thousand events a second or more.
LEAD = 45
WINDOW = timedelta(hours=1)
ACTIVE = "active: {any: App Used, within: 1h}"
LEAVES = "exit: [{leaves: active}]"
WATCHING = """
key: watching
name: Watching
entry: {event: Cart Abandoned}
EXIT
steps: [{id: rest, delay: 30d}]
"""
WRITTEN = """
SELECT changed.user_id, extract(epoch FROM changed.recorded_at - used.timestamp - %s)::float8 * 1000 AS late
FROM events AS changed JOIN events AS used USING (profile_id)
WHERE changed.type IN ('changed', 'leaves') AND changed.properties @> '{"after": false}'
  AND used.name = 'App Used'
"""


async def measure(stack: Stack) -> list[Result]:
    """Measure one worker: changes of a trait, then people who leave a segment."""
    return [
        await _measure(stack, "sweeper_p99", "exit: [{changed: profile.computed.active}]"),
        await _measure(stack, "leaves_p99", LEAVES),
    ]


async def _measure(stack: Stack, key: str, exit: str) -> Result:
    url = await stack.database()
    await apply_computed(url, f"computed:\n  {ACTIVE}\n")
    async with Database(url, pool_size=1) as database:
        await apply(database, {"active": "profile.computed.active"})
    return await measure_lateness(stack, url, key, exit)


async def measure_lateness(
    stack: Stack, url: str, key: str, exit: str, *, offset: int = 0, lead: float = LEAD
) -> Result:
    """Measure a time with few changes, then one with many, of people who come from a number on.

    `lead` is the time until the first change, in seconds: the events are ingested by then, and the tables vacuumed.
    """
    seconds = SECONDS if stack.effort == 1 else 1
    number_of_few, number = seconds * FEW, seconds * stack.count(MANY)
    await settle_in(url, number_of_few + number, offset)
    settings = stack.settings(url)
    async with stack.api(settings) as api, stack.run(settings, "worker"):
        await run_campaign(api, WATCHING.replace("EXIT", exit))
        first = datetime.now(UTC) + timedelta(seconds=lead if stack.effort == 1 else 1)
        spread = [first + timedelta(seconds=each / FEW) for each in range(number_of_few)]
        then = first + timedelta(seconds=seconds + 1)
        spread += [then + timedelta(seconds=each * seconds / number) for each in range(number)]
        http = await Connection.open(api.url)
        for body in batches([_used(f"user-{offset + place}", due - WINDOW) for place, due in enumerate(spread)]):
            await http.post("/v1/batch", body)
        await http.close()
        if stack.effort == 1:
            await keep_house(url)
            if datetime.now(UTC) > first:
                raise RuntimeError(f"the events were not ingested within {lead} s, before the first change")
        late = await _written(url, len(spread), (spread[-1] - datetime.now(UTC)).total_seconds())
    few = [late[f"user-{offset + place}"] for place in range(number_of_few)]
    many = [late[f"user-{offset + place}"] for place in range(number_of_few, len(spread))]
    note = f"{seconds} s of each, one worker; at most {max(many):,.0f} ms"
    return single(key, percentile(many, 99), percentile(few, 99), note)


async def _written(url: str, number: int, seconds: float) -> dict[str, float]:
    """Wait until all changes are written; how late each was, in milliseconds."""
    await asyncio.sleep(max(0.0, seconds))
    deadline = time.monotonic() + PATIENCE
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        while True:
            cursor = await connection.execute(WRITTEN, (WINDOW,))
            late: dict[str, float] = dict(await cursor.fetchall())
            if len(late) == number:
                return late
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(late)} of {number} changes were written")
            await asyncio.sleep(0.5)


def _used(user: str, at: datetime) -> dict[str, Any]:
    """Activity at a time of the last hour."""
    return {**track(user, "App Used", {}), "timestamp": at.isoformat()}
