"""How often a key may be used."""

import asyncio

import pytest

from api.limits import RateLimit
from domain.access import Actor
from domain.errors import RateLimitedError
from tests.api.fakes import ADMIN_KEY, WRITE_KEY
from tests.api.live import client_of, open_live

ONE, OTHER = Actor("k-1", "one"), Actor("k-2", "other")


async def test_each_key_has_its_own_allowance() -> None:
    limit = RateLimit(5)
    for _ in range(5):
        await limit.spend(ONE)
    with pytest.raises(RateLimitedError) as refusal:
        await limit.spend(ONE)
    assert refusal.value.data == {"limit": 5, "retry_after": 1}
    await limit.spend(OTHER)
    await asyncio.sleep(refusal.value.data["retry_after"])
    await limit.spend(ONE)


async def test_none_is_no_limit() -> None:
    limit = RateLimit(0)
    for _ in range(10_000):
        await limit.spend(ONE)


async def test_whoever_asks_too_often_is_told_when_to_come_again(database_url: str) -> None:
    async with (
        open_live(database_url, rate_limit=3) as app,
        client_of(app, WRITE_KEY) as tracker,
        client_of(app, ADMIN_KEY) as admin,
    ):
        answers = [await tracker.post("/v1/track", json={"userId": "u", "event": "E"}) for _ in range(8)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert 2 <= len(refused) <= 5  # the second may turn once in between
        assert refused[0].json()["code"] == "rate_limited"
        assert refused[0].headers["retry-after"] == "1"
        assert (await admin.get("/v1/campaigns")).status_code == 200


async def test_a_stranger_spends_nothing(database_url: str) -> None:
    async with open_live(database_url, rate_limit=1) as app, client_of(app, "none") as stranger:
        answers = [await stranger.get("/v1/campaigns") for _ in range(4)]
        assert {answer.status_code for answer in answers} == {401}
