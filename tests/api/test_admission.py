"""An API that is asked for more than it can do refuses the rest at once, and stays up."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any, cast

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from starlette.types import Message

from api.admission import (
    REQUESTS_A_CONNECTION,
    SHARE_OF_UNKNOWN,
    SHARE_OF_UNKNOWN_CLIENT,
    Admission,
    Share,
)
from domain.access import Access, Actor
from domain.access import Scope as AccessScope
from tests.api.fakes import WRITE_KEY, FakeServices
from tests.api.live import api_process
from tests.api.wire import resident
from tests.harness import until_blocked

POOL = 2
BOUND = POOL * REQUESTS_A_CONNECTION
CLIENTS = 8 * BOUND
CLIENTS_A_POOL = 16
# A request waits for its connection, then for a lock; a busy machine takes its time as well. Seconds.
LONGEST_ANSWER = 90.0
# What a process may grow by while it has its bound in hand and refuses the others, in kilobytes.
MAX_GROWTH = 80 * 1024


class Flood:
    """Clients that report an event each, and repeat it when they are told to, as tracking clients do."""

    def __init__(self) -> None:
        self.answers: list[httpx.Response] = []
        self.acknowledged: set[str] = set()

    async def report(self, client: httpx.AsyncClient, message_id: str) -> None:
        event = {"messageId": message_id, "userId": message_id, "event": "Visited", "properties": {"pad": "x" * 4_000}}
        while True:
            answer = await client.post("/v1/track", json=event)
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
        AsyncExitStack() as opened,
        httpx.AsyncClient(base_url=api.url, timeout=LONGEST_ANSWER) as keeper,
    ):
        # A client takes quadratic time for the requests that it has at once.
        pools = [
            await opened.enter_async_context(
                httpx.AsyncClient(base_url=api.url, auth=(WRITE_KEY, ""), timeout=LONGEST_ANSWER)
            )
            for _ in range(CLIENTS // CLIENTS_A_POOL)
        ]
        before = resident(api)
        flood = Flood()
        await holder.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        async with asyncio.TaskGroup() as tasks:
            # It has a connection before all others, and waits for the table.
            stuck = tasks.create_task(pools[0].post("/v1/track", json={"userId": "stuck", "event": "Visited"}))
            await until_blocked(holder)
            for number in range(CLIENTS):
                tasks.create_task(flood.report(pools[number % len(pools)], f"m{number}"))
            while len(flood.answers) < CLIENTS - BOUND or not stuck.done():
                await asyncio.sleep(0.1)
                assert (await keeper.get("/healthz")).status_code == 200
                assert (await keeper.get("/readyz")).status_code in (200, 503)
            assert (stuck.result().status_code, stuck.result().headers["Retry-After"]) == (503, "1")
            assert not flood.acknowledged
            await holder.rollback()
        assert api.process.returncode is None
        assert resident(api) - before < MAX_GROWTH
    assert set(flood.refused) <= {(503, "overloaded"), (503, "unavailable"), (429, "rate_limited")}, flood.refused
    assert flood.refused[503, "overloaded"] >= CLIENTS - BOUND, flood.refused
    assert {answer.headers["Retry-After"] for answer in flood.answers if answer.is_error} == set("12345")
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        stored = await (await connection.execute("SELECT message_id FROM events ORDER BY message_id")).fetchall()
    assert [row[0] for row in stored] == sorted(flood.acknowledged)
    assert len(stored) == CLIENTS


async def test_bodies_are_bounded_together(
    app: FastAPI, tracker: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    admission = admission_of(app, tracker)
    monkeypatch.setattr(admission, "bytes", Share(1_000, 1_000))
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


async def test_a_slot_is_held_for_a_whole_body_alone(app: FastAPI, tracker: httpx.AsyncClient) -> None:
    """And given back by those who leave, whatever became of them."""
    slow = [_Slow(b"{") for _ in range(20 * REQUESTS_A_CONNECTION)]
    waiting = [asyncio.create_task(one.post(app)) for one in slow]
    await asyncio.gather(*(one.is_read.wait() for one in slow))
    assert (await tracker.post("/v1/track", json={"userId": "u", "event": "E"})).status_code == 200
    for call in waiting[::2]:
        call.cancel()
    for one in slow[1::2]:
        one.go_on(b"")
    await asyncio.gather(*waiting, return_exceptions=True)
    assert is_empty(admission_of(app))


async def test_who_is_not_known_has_a_share(app: FastAPI, services: FakeServices) -> None:
    """Of the slots, while the key of the body is looked up; one address a smaller one."""
    services.keys = cast("Any", keys := _SlowKeys())
    browser = b'{"userId": "u", "event": "E", "writeKey": "slow"}'

    def called(count: int, client: str) -> list[asyncio.Task[int]]:
        return [
            asyncio.create_task(_Slow(browser, is_whole=True, key=None, client=client).post(app)) for _ in range(count)
        ]

    slots = 10 * REQUESTS_A_CONNECTION
    of_one = called(slots, "2001:db8:0:1::1") + called(slots, "2001:db8:0:1:ffff::2")
    await settle()
    assert sum(not call.done() for call in of_one) == slots // SHARE_OF_UNKNOWN_CLIENT
    of_others = [
        called(slots // SHARE_OF_UNKNOWN_CLIENT, f"192.0.2.{number}") for number in range(SHARE_OF_UNKNOWN_CLIENT)
    ]
    await settle()
    known = _Slow(b'{"userId": "u", "event": "E"}', is_whole=True)
    assert await known.post(app) == 200
    keys.go_on()
    found = Counter(await asyncio.gather(*of_one))
    assert found == {200: slots // SHARE_OF_UNKNOWN_CLIENT, 503: 2 * slots - slots // SHARE_OF_UNKNOWN_CLIENT}
    found = Counter(await asyncio.gather(*(call for calls in of_others for call in calls)))
    assert found == {
        200: slots // SHARE_OF_UNKNOWN - slots // SHARE_OF_UNKNOWN_CLIENT,
        503: slots - slots // SHARE_OF_UNKNOWN + slots // SHARE_OF_UNKNOWN_CLIENT,
    }
    assert is_empty(admission_of(app))


async def test_whoever_looks_after_the_process_is_let_in(
    anyone: httpx.AsyncClient, app: FastAPI, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await anyone.get("/nothing")).status_code == 404
    monkeypatch.setattr(admission_of(app), "slots", Share(0, 0))
    assert (await anyone.get("/healthz")).status_code == 200
    assert (await anyone.get("/readyz")).status_code == 200
    refused = await anyone.get("/nothing")
    assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")


async def settle() -> None:
    """Let everything that can go on do so: nothing here waits for the world."""
    for _ in range(100):
        await asyncio.sleep(0)


def admission_of(app: FastAPI, *_: object) -> Admission:
    """The middleware, once the application has answered something or begun to."""
    layer: Any = app.middleware_stack or app.build_middleware_stack()
    app.middleware_stack = layer
    while not isinstance(layer, Admission):
        layer = getattr(layer, "app", None) or layer._app
    return layer


def is_empty(admission: Admission) -> bool:
    shares = [admission.slots, admission.bytes, admission.unknown_slots, admission.unknown_bytes]
    shares += [admission.callback_slots, admission.callback_bytes]
    return all(share.taken == 0 and not share.of_client for share in shares)


class _SlowKeys:
    """The keys of the settings, and one of scope ingest that is looked up until it is let go on."""

    def __init__(self) -> None:
        self._keys = FakeServices().keys
        self._is_known = asyncio.Event()

    def go_on(self) -> None:
        self._is_known.set()

    async def verify(self, given: bytes) -> Access | None:
        if given != b"slow":
            return await self._keys.verify(given)
        await self._is_known.wait()
        return Access(Actor("slow", "slow"), frozenset({AccessScope.INGEST}), "slow")


class _Slow:
    """A tracking call whose body comes in two parts, the second when it is let go on."""

    def __init__(
        self, first: bytes, *, is_whole: bool = False, key: str | None = WRITE_KEY, client: str = "192.0.2.1"
    ) -> None:
        self.is_read = asyncio.Event()
        self._scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "path": "/v1/track",
            "query_string": b"",
            "headers": [] if key is None else [(b"authorization", f"Bearer {key}".encode())],
            "client": (client, 4711),
        }
        self._status = 0
        self._parts: asyncio.Queue[Message] = asyncio.Queue()
        self._parts.put_nowait({"type": "http.request", "body": first, "more_body": not is_whole})

    def go_on(self, rest: bytes) -> None:
        self._parts.put_nowait({"type": "http.request", "body": rest, "more_body": False})

    async def post(self, app: FastAPI) -> int:
        """The status of the answer."""
        await app(self._scope, self._receive, self._send)
        return self._status

    async def _receive(self) -> Message:
        if self._parts.empty():
            self.is_read.set()
        return await self._parts.get()

    async def _send(self, message: Message) -> None:
        self._status = message.get("status", self._status)
