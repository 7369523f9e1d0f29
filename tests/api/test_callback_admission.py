"""Callbacks have a class of their own: a flood of them leaves the rest of the process to events."""

import asyncio
from collections import Counter
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from api.admission import MAX_BYTES, MAX_CALLBACKS, REQUESTS_A_CONNECTION, SHARE_OF_CALLBACKS
from api.limits import Allowance
from domain.sending.reports import MAX_CALLBACK_BYTES, Callback
from tests.api.fakes import SETTINGS, FakeServices
from tests.api.test_admission import admission_of, is_empty, settle

SLOTS = SETTINGS.database_pool_size * REQUESTS_A_CONNECTION
EVENT = {"userId": "u", "event": "E"}


class SlowCallbacks:
    """Callbacks that wait for their transaction until it goes on."""

    def __init__(self) -> None:
        self.received: list[Callback] = []
        self._goes_on = asyncio.Event()

    async def wait_turn(self) -> None:
        pass

    async def receive(self, provider: str, callback: Callback) -> None:
        self.received.append(callback)
        await self._goes_on.wait()

    def go_on(self) -> None:
        self._goes_on.set()


@pytest.fixture
def slow(services: FakeServices) -> SlowCallbacks:
    services.callbacks = cast("Any", found := SlowCallbacks())
    return found


async def test_a_flood_of_callbacks_leaves_the_slots_of_events(
    app: FastAPI, anyone: httpx.AsyncClient, tracker: httpx.AsyncClient, slow: SlowCallbacks
) -> None:
    flood = [asyncio.create_task(anyone.post("/v1/callbacks/p", content=b"{}")) for _ in range(2 * MAX_CALLBACKS)]
    await settle()
    # All of them, and those for requests without a key.
    answers = await asyncio.gather(*(tracker.post("/v1/track", json=EVENT) for _ in range(SLOTS)))
    assert Counter(answer.status_code for answer in answers) == {200: SLOTS}
    assert (await anyone.get("/unsubscribe/good")).status_code == 200
    slow.go_on()
    assert len(slow.received) == MAX_CALLBACKS
    found = Counter(answer.status_code for answer in await asyncio.gather(*flood))
    assert found == {200: MAX_CALLBACKS, 503: MAX_CALLBACKS}
    assert is_empty(admission_of(app, anyone))


async def test_callbacks_beyond_the_rate_of_the_process_are_refused_unread(
    app: FastAPI, anyone: httpx.AsyncClient, tracker: httpx.AsyncClient, slow: SlowCallbacks, monkeypatch: Any
) -> None:
    slow.go_on()
    monkeypatch.setattr(admission_of(app, anyone), "callback_rate", Allowance(2, "callbacks", clock=lambda: 0.0))
    answers = [await anyone.post("/v1/callbacks/p", content=b"{}") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429, 429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert (await tracker.post("/v1/track", json=EVENT)).status_code == 200


async def test_bodies_of_callbacks_are_bounded_together(
    app: FastAPI, anyone: httpx.AsyncClient, tracker: httpx.AsyncClient, slow: SlowCallbacks
) -> None:
    most = MAX_BYTES // SHARE_OF_CALLBACKS // 2 // MAX_CALLBACK_BYTES
    body = b" " * MAX_CALLBACK_BYTES
    flood = [asyncio.create_task(anyone.post("/v1/callbacks/p", content=body)) for _ in range(most + 2)]
    await settle()
    assert (await tracker.post("/v1/track", json=EVENT)).status_code == 200
    slow.go_on()
    assert Counter(answer.status_code for answer in await asyncio.gather(*flood)) == {200: most, 503: 2}


async def test_a_callback_is_read_as_it_came(anyone: httpx.AsyncClient, slow: SlowCallbacks) -> None:
    """Its Authorization is the provider's own: no key of ours is looked up by it."""
    slow.go_on()
    answer = await anyone.post(
        "/v1/callbacks/p?message_id=1&b=%20", content=b"\x00\xff", headers={"Authorization": "Basic %", "X-Sign": "a"}
    )
    assert answer.status_code == 200
    [callback] = slow.received
    assert (callback.method, callback.body) == ("POST", b"\x00\xff")
    assert callback.url == f"{SETTINGS.public_url.rstrip('/')}/v1/callbacks/p?message_id=1&b=%20"
    assert (callback.headers["authorization"], callback.headers["x-sign"]) == ("Basic %", "a")
