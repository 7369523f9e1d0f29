"""The feed of a development deployment: each thing once, with its reason."""

from datetime import timedelta

import pytest

from runtime.embedded import feed as module
from runtime.embedded.feed import ActivityFeed, FeedLine
from tests.harness import PATIENCE, Harness, looks

CART = """
key: cart
name: Cart
entry: {event: Cart Abandoned, where: event.properties.value > 100}
exit: [{event: Order Completed}]
steps:
  - {id: nudge, send: {channel: email, template: note}}
  - {id: rest, delay: 30d}
"""


async def read_until(feed: ActivityFeed, event: str, user: str) -> list[FeedLine]:
    """Read on until this has happened."""
    lines: list[FeedLine] = []
    async for is_last in looks(PATIENCE):
        lines += await feed.read()
        if any((line.event, line.user) == (event, user) for line in lines):
            return lines
        assert not is_last, lines
    raise AssertionError("there is a last look")


async def test_what_happens_is_told_once_with_its_reason(harness: Harness) -> None:
    await harness.run_campaign(CART)
    await harness.track("before", "Cart Abandoned", {"value": 120})
    await harness.decisions.until(kind="send")
    feed = ActivityFeed(harness.database)
    await feed.begin()
    await harness.identify("ada", email="ada@example.com")
    await harness.track("ada", "Cart Abandoned", {"value": 120})
    lines = await read_until(feed, "message sent", "ada")
    await harness.track("ada", "Order Completed")
    lines += await read_until(feed, "journey exited", "ada")
    await harness.track("bob", "Cart Abandoned", {"value": 120})
    lines += await read_until(feed, "message refused", "bob")
    assert [(line.user, line.event, dict(line.facts)) for line in lines] == [
        ("ada", "event accepted", {"name": "identify"}),
        ("ada", "event accepted", {"name": "Cart Abandoned"}),
        ("ada", "journey entered", {"campaign": "cart"}),
        ("ada", "message sent", {"campaign": "cart", "step": "nudge", "channel": "email"}),
        ("ada", "event accepted", {"name": "Order Completed"}),
        ("ada", "journey exited", {"campaign": "cart", "why": "ended by Order Completed"}),
        ("bob", "event accepted", {"name": "Cart Abandoned"}),
        ("bob", "journey entered", {"campaign": "cart"}),
        (
            "bob",
            "message refused",
            {
                "campaign": "cart",
                "step": "nudge",
                "channel": "email",
                "why": "unreachable: the profile has no trait email",
            },
        ),
    ]
    assert await feed.read() == []


async def test_a_flood_is_read_in_pages(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT", 2)
    feed = ActivityFeed(harness.database)
    await feed.begin()
    users = [f"u{number}" for number in range(7)]
    for user in users:
        await harness.track(user, "Seen")
    lines = await read_until(feed, "event accepted", users[-1])
    assert [line.user for line in lines] == users
    assert all(lines[0].at <= line.at < lines[0].at + timedelta(minutes=5) for line in lines)
