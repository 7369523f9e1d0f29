"""Pages that follow streams and poll: how soon a message is on an open page, and how much they slow ingest."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import jwt
import msgspec

from tests.bench.deployed import PATIENCE
from tests.bench.http import Connection
from tests.bench.ingest import CLIENTS, Posting, keep_house
from tests.bench.measure import Result, at_rest, beside, in_turns, percentile, single
from tests.bench.pace import Pace, Round
from tests.bench.people import PLAIN, abandoned, batches, run_campaign, settle_in, viewed
from tests.bench.stack import ADMIN_KEY, ANSWER_SECONDS, Process, Stack

STREAMS, POLLERS, POLLS, BESIDE = 1_000, 20, 200, 1_000
FEW, PACE, ARRIVALS = 100, 10, 300
EVENTS, ROUNDS = 20_000, 5
SEED = 20_261_201
# One address may have an eighth of the streams of a process.
MAX_STREAMS = 8 * STREAMS
CAMPAIGN = PLAIN.replace("webhook", "in_app")
BANNER = "---\nchannel: in_app\nkind: banner\n---\ntitle: A fair price\ntext: The watering can costs less now.\n"


def build(path: str, headers: dict[str, str]) -> bytes:
    """Build the request of a page."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\nHost: shop\r\n{lines}\r\n".encode()


@dataclass
class Page:
    """An open page of a user: when each message came, in nanoseconds."""

    headers: dict[str, str]
    came: list[int] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def open(self, url: str) -> Self:
        """Open its stream, up to the first event."""
        parts = urlsplit(url)
        reader, self._writer = await asyncio.open_connection(parts.hostname, parts.port)
        self._writer.write(build("/v1/client/stream", self.headers))
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise RuntimeError(head.decode())
        await reader.readuntil(b"event: open\n")
        self._tasks.append(asyncio.create_task(self._follow(reader)))
        return self

    async def _follow(self, reader: asyncio.StreamReader) -> None:
        async for line in reader:
            if line.startswith(b"event: message"):
                self.came.append(time.time_ns())
                self.news.set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._writer.close()


@dataclass
class Visitors:
    """The users of a shop, with a browser key: some have pages open, others poll."""

    api: Process
    headers: dict[str, dict[str, str]]

    @asynccontextmanager
    async def open(self, users: Sequence[str]) -> AsyncIterator[dict[str, Page]]:
        """Open a page of each of these users."""
        async with AsyncExitStack() as stack:
            pages: dict[str, Page] = {}
            for user in users:
                page = pages[user] = await Page(self.headers[user]).open(self.api.url)
                stack.push_async_callback(page.close)
            yield pages

    def polling(self, a_second: float) -> AbstractAsyncContextManager[Pace]:
        """Open the process that polls at a pace, as all users in turn."""
        requests = [build("/v1/client/messages?since=0", headers) for headers in self.headers.values()]
        return Pace.open(self.api.url, requests, connections=POLLERS, a_second=a_second, is_endless=True)


async def measure(stack: Stack) -> list[Result]:
    streams, polls = stack.count(STREAMS, 20), stack.count(POLLS, 5)
    few, arrivals, events = stack.count(FEW, 5), stack.count(ARRIVALS, 5), stack.count(EVENTS, 200)
    seeded = random.Random(SEED)
    database_url = await stack.database()
    users = list(await settle_in(database_url, streams + few))
    more = {"client_streams": MAX_STREAMS, "max_connections": 2 * MAX_STREAMS, "rate_limit_address": 0}
    settings = stack.settings(database_url).model_copy(update=more)
    async with stack.api(settings) as api, stack.run(settings, "worker"):
        await run_campaign(api, CAMPAIGN, BANNER)
        visitors = Visitors(api, await _sign(api, users))
        connections = [await Connection.open(api.url) for _ in range(CLIENTS)]
        posting, [http, *_] = Posting(connections), connections

        def bodies(count: int) -> list[bytes]:
            return list(batches([viewed(seeded.choice(users), seeded) for _ in range(count)]))

        await posting(bodies(events))
        await keep_house(database_url)
        busy = users[:streams]
        async with visitors.open(users[streams:]) as pages:
            floors = await _bring(http, pages, few)
        polled: list[Round] = []

        async def alone(_: int) -> float:
            reported = bodies(events)
            await at_rest(api.pid)
            return events / await posting(reported)

        async def visited(_: int) -> float:
            # Beforehand: polls that fall due meanwhile would all come in the seconds that are measured.
            reported = bodies(events)
            async with visitors.open(busy):
                await at_rest(api.pid)
                async with polling.beside() as rounds:
                    took = await posting(reported)
                polled.extend(rounds)
                return events / took

        async with visitors.polling(polls) as polling:
            async with (
                visitors.open(busy) as pages,
                polling.beside() as rounds,
                _feeding(connections[1], bodies, stack),
            ):
                figures = await _bring(http, pages, arrivals)
            polled.extend(rounds)
            found = await in_turns([alone, visited], stack.count(ROUNDS))
        for opened in connections:
            await opened.close()
    got_through = sum(one.sent for one in polled) / sum(one.seconds for one in polled)
    visits = f"{streams} streams, and {got_through:.0f} polls a second got through"
    note = f"{PACE} a second, {len(figures)} of them; {visits}"
    return [
        single("streams_p50", percentile(figures, 50), percentile(floors, 50), note),
        single("streams_p99", percentile(figures, 99), percentile(floors, 99), note),
        beside(
            "ingest_streams",
            [(figure, floor) for floor, figure in found],
            f"batches of 100, {CLIENTS} clients; {visits}",
        ),
    ]


async def _sign(api: Process, users: Sequence[str]) -> dict[str, dict[str, str]]:
    """The headers of a page of each user."""
    admin = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with httpx.AsyncClient(base_url=api.url, headers=admin, timeout=ANSWER_SECONDS) as http:
        body = {"name": "shop", "kind": "browser", "origins": ["https://shop.example"]}
        key = (await http.post("/v1/keys", json=body)).raise_for_status().json()
    claims = {"aud": "sojourn", "exp": int(time.time()) + 80_000}
    signed = {user: jwt.encode({"sub": user, **claims}, key["token_secret"], "HS256") for user in users}
    return {user: {"X-Write-Key": key["token"], "Authorization": f"Bearer {one}"} for user, one in signed.items()}


async def _bring(http: Connection, pages: dict[str, Page], arrivals: int) -> list[float]:
    """From the acknowledgement of each trigger to its message on the user's page, in milliseconds."""
    acknowledged: dict[str, int] = {}
    began = time.perf_counter()
    for number, user in enumerate(list(pages)[:arrivals]):
        await asyncio.sleep(began + number / PACE - time.perf_counter())
        await http.post("/v1/track", msgspec.json.encode(abandoned(user, "Price Dropped")))
        acknowledged[user] = time.time_ns()
    async with asyncio.timeout(PATIENCE):
        for user in acknowledged:
            await pages[user].news.wait()
    return [(pages[user].came[0] - at) / 1e6 for user, at in acknowledged.items()]


@asynccontextmanager
async def _feeding(connection: Connection, bodies: Callable[[int], list[bytes]], stack: Stack) -> AsyncIterator[None]:
    """Report events at a steady pace as long as the block runs."""
    began, a_second = time.perf_counter(), stack.count(BESIDE, 100) / 100

    async def feed() -> None:
        for number in range(10**9):
            await asyncio.sleep(began + number / a_second - time.perf_counter())
            for body in bodies(100):
                await connection.post("/v1/batch", body)

    async with _beside([feed()]):
        yield


@asynccontextmanager
async def _beside(running: Sequence[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run these as long as the block does; raise what has ended one of them."""
    tasks = [asyncio.create_task(one) for one in running]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
