"""How much a key may do: requests, events and bytes."""

import asyncio
import gzip
import json
import time
from typing import Any

import httpx
import pytest

from api.limits import Allowance, RateLimits
from domain.access import Actor
from domain.errors import RateLimitedError
from tests.api.fakes import ADMIN_KEY, WRITE_KEY
from tests.api.live import client_of, open_live

ONE, OTHER = Actor("k-1", "one"), Actor("k-2", "other")


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def refusal_of(allowance: Allowance, amount: int) -> dict[str, Any]:
    with pytest.raises(RateLimitedError) as refusal:
        allowance.use(ONE, amount)
    return refusal.value.data


def test_each_key_has_its_own_allowance() -> None:
    clock = Clock()
    allowance = Allowance(5, "requests", clock)
    for _ in range(5):
        allowance.use(ONE, 1)
    assert refusal_of(allowance, 1) == {"limit": 5, "unit": "requests", "retry_after": 1}
    allowance.use(OTHER, 1)
    clock.now += 0.2
    allowance.use(ONE, 1)
    assert refusal_of(allowance, 1)["retry_after"] == 1
    clock.now += 1
    for _ in range(5):
        allowance.use(ONE, 1)


def test_what_is_larger_than_an_allowance_is_taken_once_and_paid_off() -> None:
    clock = Clock()
    allowance = Allowance(100, "events", clock)
    allowance.use(ONE, 1_000)
    assert refusal_of(allowance, 1)["retry_after"] == 9
    # What is refused costs nothing, so that whoever comes when told to is let in.
    clock.now += 9.001
    allowance.use(ONE, 1_000)
    assert refusal_of(allowance, 1)["retry_after"] == 10


@pytest.mark.parametrize("amount", [1, 7, 99, 100, 101, 5_000])
def test_in_the_long_run_no_key_has_more_than_its_rate(amount: int) -> None:
    clock = Clock()
    allowance = Allowance(100, "events", clock)
    used, began, refused = 0, clock.now, 0
    while clock.now < began + 100:
        try:
            allowance.use(ONE, amount)
            used += amount
        except RateLimitedError:
            refused += 1
        clock.now += 0.005
    assert refused
    assert used + amount >= 100 * 100
    assert used <= 100 * (100 + 1) + amount


def test_none_is_no_limit() -> None:
    limits = RateLimits(requests=0, events=0, bytes=0)
    for _ in range(1_000):
        limits.begin(ONE)
        limits.use_bytes(ONE, 10**9)
        limits.use_events(ONE, 10**9)


def test_who_owes_events_or_bytes_does_not_begin() -> None:
    limits = RateLimits(requests=0, events=5, bytes=1_000)
    limits.begin(ONE)
    limits.use_events(ONE, 50)
    with pytest.raises(RateLimitedError, match="5 events a second"):
        limits.begin(ONE)
    limits.begin(OTHER)
    limits.use_bytes(OTHER, 10_000)
    with pytest.raises(RateLimitedError, match="1,000 bytes a second"):
        limits.begin(OTHER)


def a_batch(number: int, events: int) -> bytes:
    calls = [
        {"type": "track", "messageId": f"m-{number}-{each}", "userId": "u", "event": "E"} for each in range(events)
    ]
    return json.dumps({"batch": calls}).encode()


@pytest.mark.parametrize("limit", [{"rate_limit_events": 300}, {"rate_limit_bytes": 20_000}], ids=["events", "bytes"])
async def test_a_flood_of_large_batches_is_bounded_by_what_they_hold(database_url: str, limit: dict[str, int]) -> None:
    """As many batches at once as come, small as they are when compressed: 240 times 300 events."""
    events, count = 300, 240
    async with (
        open_live(database_url, rate_limit=0, **limit) as app,
        client_of(app, WRITE_KEY) as tracker,
        client_of(app, ADMIN_KEY) as admin,
    ):
        began = time.monotonic()
        answers: list[httpx.Response] = []
        for number in range(0, count, 8):
            answers += await asyncio.gather(
                *(
                    tracker.post("/v1/batch", content=gzip.compress(a_batch(each, events)))
                    for each in range(number, number + 8)
                )
            )
        seconds = time.monotonic() - began
        taken = sum(answer.status_code == 200 for answer in answers)
        bound = (seconds + 1) * limit.get("rate_limit_events", 20_000 * events / len(a_batch(0, events)))
        assert events <= taken * events <= bound + events
        for answer in answers:
            if answer.status_code != 200:
                assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
                assert answer.json()["unit"] == ("events" if "rate_limit_events" in limit else "bytes")
                assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert taken < count
        assert (await admin.get("/v1/campaigns")).status_code == 200


async def test_whoever_asks_too_often_is_told_when_to_come_again(database_url: str) -> None:
    async with (
        open_live(database_url, rate_limit=3) as app,
        client_of(app, WRITE_KEY) as tracker,
        client_of(app, ADMIN_KEY) as admin,
    ):
        # All of them within one second, however long they take.
        app.state.rate_limits._requests = Allowance(3, "requests", clock=lambda: 1_000.0)
        answers = [await tracker.post("/v1/track", json={"userId": "u", "event": "E"}) for _ in range(8)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert len(refused) == 5
        assert refused[0].json()["code"] == "rate_limited"
        assert refused[0].headers["retry-after"] == "1"
        assert (await admin.get("/v1/campaigns")).status_code == 200


async def test_a_stranger_spends_nothing(database_url: str) -> None:
    async with open_live(database_url, rate_limit=1) as app, client_of(app, "none") as stranger:
        answers = [await stranger.get("/v1/campaigns") for _ in range(4)]
        assert {answer.status_code for answer in answers} == {401}
