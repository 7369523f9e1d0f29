"""The memory of API and worker while many journeys sleep, beside a few."""

import asyncio
import time
from pathlib import Path

import psycopg

from tests.bench.deployed import Deployed, deployed
from tests.bench.measure import Result, single
from tests.bench.people import CART
from tests.bench.stack import Stack

SLEEPERS = 20_000
# A worker keeps a thousand workflows in memory, the SDK's own limit, and the garbage of evicted ones up to a quarter
# of what it keeps. That is there with any load, from when the whole cache was turned over once.
TURNED_OVER = 2_000
# So many at a time, so that it is the sleeping that takes memory, and no backlog.
ARRIVING = 1_000
SECONDS = 420
SETTLING = 5


async def measure(stack: Stack) -> list[Result]:
    few, many = stack.count(TURNED_OVER, 10), stack.count(SLEEPERS, 20)
    async with deployed(stack, [CART.replace("DELAY", "30d")], many) as place:
        none = _memory(place)
        await _sleep(place, 0, few)
        before = await _settled(place)
        deadline = time.monotonic() + SECONDS
        asleep = few
        while asleep < many and time.monotonic() < deadline:
            upto = min(many, asleep + ARRIVING)
            await _sleep(place, asleep, upto)
            asleep = upto
        after = await _settled(place)
    note = "{:.0f} MB with none; " + f"{asleep:,} asleep, the first {few:,} turned its cache over"
    return [
        single(key, after[part], before[part], note.format(none[part]))
        for key, part in (("memory_api", "api"), ("memory_worker", "worker"))
    ]


async def _sleep(place: Deployed, first: int, upto: int) -> None:
    """Have these people enter, and wait until Temporal has all of their journeys."""
    await place.enter([f"user-{number}" for number in range(first, upto)], "Cart Abandoned")
    async with await psycopg.AsyncConnection.connect(place.database_url, autocommit=True) as connection:
        while True:
            cursor = await connection.execute("SELECT count(*) FROM outbox")
            [(waiting,)] = await cursor.fetchall()
            if not waiting:
                return
            await asyncio.sleep(0.1)


async def _settled(place: Deployed) -> dict[str, float]:
    await asyncio.sleep(SETTLING)
    return _memory(place)


def _memory(place: Deployed) -> dict[str, float]:
    return {"api": _resident(place.api.pid), "worker": _resident(place.worker.pid)}


def _resident(pid: int) -> float:
    """The resident memory of a process, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
