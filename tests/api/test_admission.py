"""An API that is asked for more than it can do refuses the rest at once, and stays up."""

import asyncio
from collections import Counter
from pathlib import Path

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from starlette.types import Message

from api import admission
from api.admission import REQUESTS_A_CONNECTION
from tests.api.fakes import WRITE_KEY
from tests.api.live import ApiProcess, api_process

POOL = 2
BOUND = POOL * REQUESTS_A_CONNECTION
CLIENTS = 8 * BOUND
# A request waits for its connection, then for a lock; a busy machine takes its time as well. Seconds.
LONGEST_ANSWER = 20.0
# What a process may grow by while it has its bound in hand and refuses the others, in kilobytes.
MOST_GROWTH = 80 * 1024


class Flood:
    """Clients that report an event each, and repeat it when they are told to, as tracking clients do."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.answers: list[httpx.Response] = []
        self.acknowledged: set[str] = set()
        self._client = client

    async def report(self, message_id: str) -> None:
        event = {"messageId": message_id, "userId": message_id, "event": "Visited", "properties": {"pad": "x" * 4_000}}
        while True:
            answer = await self._client.post("/v1/track", json=event)
            self.answers.append(answer)
            if answer.is_success:
                self.acknowledged.add(message_id)
                return
            await asyncio.sleep(float(answer.headers["Retry-After"]))

    @property
    def refused(self) -> Counter[tuple[int, str]]:
        return Counter((answer.status_code, answer.json()["code"]) for answer in self.answers if answer.is_error)


@pytest.mark.takes_long
async def test_a_flood_is_refused_in_part_and_nothing_acknowledged_is_lost(database_url: str) -> None:
    """While the table of events is held by somebody, so that no event gets through until it is let go."""
    async with (
        api_process(database_url, database_pool_size=POOL) as api,
        await psycopg.AsyncConnection.connect(database_url) as holder,
        httpx.AsyncClient(
            base_url=api.url,
            auth=(WRITE_KEY, ""),
            timeout=LONGEST_ANSWER,
            limits=httpx.Limits(max_connections=CLIENTS),
        ) as client,
        httpx.AsyncClient(base_url=api.url, timeout=LONGEST_ANSWER) as keeper,
    ):
        before = resident(api)
        flood = Flood(client)
        await holder.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        async with asyncio.TaskGroup() as tasks:
            # It has a connection before all others, and waits for the table.
            stuck = tasks.create_task(client.post("/v1/track", json={"userId": "stuck", "event": "Visited"}))
            await asyncio.sleep(0.5)
            for number in range(CLIENTS):
                tasks.create_task(flood.report(f"m{number}"))
            while len(flood.answers) < CLIENTS - BOUND or not stuck.done():
                await asyncio.sleep(0.1)
                assert (await keeper.get("/healthz")).status_code == 200
                assert (await keeper.get("/readyz")).status_code in (200, 503)
            assert (stuck.result().status_code, stuck.result().headers["Retry-After"]) == (503, "1")
            assert not flood.acknowledged
            await holder.rollback()
        assert api.process.returncode is None
        assert resident(api) - before < MOST_GROWTH
    assert set(flood.refused) <= {(503, "overloaded"), (503, "unavailable"), (429, "rate_limited")}, flood.refused
    assert flood.refused[503, "overloaded"] >= CLIENTS - BOUND, flood.refused
    assert {answer.headers["Retry-After"] for answer in flood.answers if answer.is_error} == set("12345")
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        stored = await (await connection.execute("SELECT message_id FROM events ORDER BY message_id")).fetchall()
    assert [row[0] for row in stored] == sorted(flood.acknowledged)
    assert len(stored) == CLIENTS


def resident(api: ApiProcess) -> int:
    """The memory of the process at its highest, in kilobytes."""
    status = Path(f"/proc/{api.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


async def test_bodies_are_bounded_together(
    app: FastAPI, tracker: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "MOST_BYTES", 1_000)
    first = _Slow(b'{"userId": "u", "event": "E", "properties": {"pad": "' + b"x" * 800)
    answering = asyncio.create_task(first.post(app))
    await first.is_read.wait()
    event = {"userId": "u", "event": "E", "properties": {"pad": "x" * 400}}
    refused = await tracker.post("/v1/track", json=event)
    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    assert refused.headers["Retry-After"] in "12345"
    first.go_on(b'"}}')
    assert await answering == 200
    assert (await tracker.post("/v1/track", json=event)).status_code == 200


async def test_a_body_that_does_not_come_is_not_waited_for(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "BODY_SECONDS", 0.05)
    slow = _Slow(b'{"userId": ')
    assert await slow.post(app) == 408
    assert b"request_timeout" in slow.answer
    assert (b"connection", b"close") in slow.headers


async def test_whoever_looks_after_the_process_is_let_in(anyone: httpx.AsyncClient, app: FastAPI) -> None:
    """And room is made by those who leave, whatever became of them."""
    assert (await anyone.get("/nothing")).status_code == 404
    slow = [_Slow(b"{") for _ in range(10 * REQUESTS_A_CONNECTION)]
    waiting = [asyncio.create_task(one.post(app)) for one in slow]
    await asyncio.gather(*(one.is_read.wait() for one in slow))
    assert (await anyone.get("/healthz")).status_code == 200
    assert (await anyone.get("/readyz")).status_code == 200
    refused = await anyone.get("/nothing")
    assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert (await anyone.get("/nothing")).status_code == 404


class _Slow:
    """A tracking call whose body comes in two parts, the second when it is let go on."""

    def __init__(self, first: bytes) -> None:
        self.is_read = asyncio.Event()
        self.answer = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self._status = 0
        self._parts: asyncio.Queue[Message] = asyncio.Queue()
        self._parts.put_nowait({"type": "http.request", "body": first, "more_body": True})

    def go_on(self, rest: bytes) -> None:
        self._parts.put_nowait({"type": "http.request", "body": rest, "more_body": False})

    async def post(self, app: FastAPI) -> int:
        """The status of the answer."""
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "path": "/v1/track",
            "query_string": b"",
            "headers": [(b"authorization", f"Bearer {WRITE_KEY}".encode())],
        }
        await app(scope, self._receive, self._send)
        return self._status

    async def _receive(self) -> Message:
        if self._parts.empty():
            self.is_read.set()
        return await self._parts.get()

    async def _send(self, message: Message) -> None:
        self._status = message.get("status", self._status)
        self.headers += message.get("headers", [])
        self.answer += message.get("body", b"")
