"""Impossible clocks of clients: what they report starts and ends journeys, and keeps no later entry out."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.api.fakes import ADMIN_KEY, WRITE_KEY
from tests.api.live import open_live

CAMPAIGN = """
key: cart
name: Cart
entry: {event: Cart Abandoned}
exit: [{event: Order Completed}]
goal: {event: Order Completed, within: 7d}
steps: [{id: rest, delay: 1h}]
"""
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        open_live(database_url) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sojourn.test") as client,
    ):
        client.headers["Authorization"] = f"Bearer {ADMIN_KEY}"
        body = {"file": "cart.yaml", "source": CAMPAIGN, "templates": {}}
        assert (await client.post("/v1/campaigns", json=body)).is_success
        assert (await client.post("/v1/campaigns/cart/start")).is_success
        yield client


async def report(api: httpx.AsyncClient, event: str, timestamp: datetime, sent_at: datetime | None = None) -> None:
    call: dict[str, Any] = {"type": "track", "userId": "u1", "event": event, "timestamp": timestamp.isoformat()}
    body = {"batch": [call], "sentAt": sent_at.isoformat() if sent_at else None}
    answer = await api.post("/v1/batch", json=body, headers={"Authorization": f"Bearer {WRITE_KEY}"})
    assert answer.json() == {"success": True}


async def outcomes(api: httpx.AsyncClient) -> list[tuple[str, str | None]]:
    items = (await api.get("/v1/users/u1/timeline")).json()["items"]
    return [(item["kind"], item["reason"] or item["outcome"]) for item in items if item["kind"] != "event"]


# Given the time of the test.
CLOCKS: dict[str, Callable[[datetime], tuple[datetime, datetime | None, bool]]] = {
    "year 2569": lambda _: (datetime(2569, 3, 5, tzinfo=UTC), None, True),
    "two weeks after its own sentAt": lambda now: (now + timedelta(days=14), now, True),
    "sent in 1970": lambda now: (now, datetime(1970, 1, 1, tzinfo=UTC), True),
    "year 1": lambda _: (datetime(1, 1, 1, tzinfo=UTC), None, True),
    "right": lambda now: (now, now, False),
    "ten minutes ahead": lambda now: (now + 10 * MINUTE, None, False),
}


@pytest.mark.parametrize("name", CLOCKS)
async def test_an_exit_by_an_impossible_clock_keeps_no_later_entry_out(api: httpx.AsyncClient, name: str) -> None:
    timestamp, sent_at, is_impossible = CLOCKS[name](datetime.now(UTC))
    await report(api, "Order Completed", timestamp, sent_at)
    await report(api, "Cart Abandoned", datetime.now(UTC) - 5 * MINUTE)
    expected = ("entry", "entered" if is_impossible else "exit_event_came_first")
    assert await outcomes(api) == [expected]


async def test_an_event_by_an_impossible_clock_starts_ends_and_converts(api: httpx.AsyncClient) -> None:
    await report(api, "Cart Abandoned", datetime(1970, 1, 1, tzinfo=UTC))
    await report(api, "Order Completed", datetime(2569, 1, 1, tzinfo=UTC))
    told = await outcomes(api)
    assert told[0] == ("entry", "entered")
    assert sorted(told[1:]) == [("exit", "exit_event"), ("goal", "converted")]
