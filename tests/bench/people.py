"""People, campaigns and events for the measurements."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import psycopg

from domain.tracking.decode import decode
from domain.tracking.event import DEFAULT_SOURCE
from tests.bench.stack import ADMIN_KEY, ANSWER_SECONDS, Process

NUDGE = """---
channel: webhook
url: https://receiver.example.com/hooks
---
user_id: "{{ profile.user_id }}"
cart_id: "{{ entry.properties.cart_id }}"
"""
CART = """
key: cart
name: Cart
entry: {event: Cart Abandoned, where: event.properties.value > 100}
exit: [{event: Order Completed}]
steps:
  - {id: cool-off, delay: DELAY}
  - {id: nudge, send: {channel: webhook, template: nudge, category: marketing}}
"""
PLAIN = """
key: plain
name: Plain
entry: {event: Price Dropped, where: event.properties.value > 100}
exit: [{event: Order Completed}]
steps:
  - {id: nudge, send: {channel: webhook, template: nudge, category: marketing}}
"""
TWO = """
key: two
name: Two
entry: {event: Trial Started, where: event.properties.value > 100}
exit: [{event: Order Completed}]
steps:
  - {id: cool-off, delay: 1s}
  - {id: nudge, send: {channel: webhook, template: nudge, category: marketing}}
  - id: reacted
    wait_for: {event: Link Clicked, timeout: 1s}
    on_timeout:
      - {id: reminder, send: {channel: webhook, template: nudge, category: marketing}}
"""
CAPS = """
rules:
  - {name: three-a-week, limit: 3, per: 7d}
"""


_ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}


async def run_campaign(api: Process, source: str, template: str = NUDGE) -> str:
    """Publish and start a campaign; its key."""
    async with httpx.AsyncClient(base_url=api.url, headers=_ADMIN, timeout=ANSWER_SECONDS) as http:
        body = {"file": "campaign.yaml", "source": source, "templates": {"nudge.liquid": template}}
        published = await http.post("/v1/campaigns", json=body)
        published.raise_for_status()
        key = str(published.json()["key"])
        (await http.post(f"/v1/campaigns/{key}/start")).raise_for_status()
    return key


async def put_caps(api: Process, source: str) -> None:
    async with httpx.AsyncClient(base_url=api.url, headers=_ADMIN, timeout=ANSWER_SECONDS) as http:
        (await http.put("/v1/frequency-caps", json={"file": "caps.yaml", "source": source})).raise_for_status()


async def settle_in(database_url: str, count: int, offset: int = 0) -> dict[str, UUID]:
    """People that are known already, and their profiles: user-0, user-1, …"""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute(
            """
            WITH person AS (
              INSERT INTO profiles (id, user_id, traits)
              SELECT uuidv7(), 'user-' || number, jsonb_build_object('first_name', 'Ada', 'timezone', 'Europe/Berlin')
              FROM generate_series(%s::bigint, %s::bigint) AS number
              RETURNING id, user_id
            )
            INSERT INTO identities (kind, value, profile_id) SELECT 'user', user_id, id FROM person
            """,
            (offset, offset + count - 1),
        )
        await connection.execute("VACUUM ANALYZE profiles, identities")
        cursor = await connection.execute("SELECT user_id, id FROM profiles")
        return {user_id: id async for user_id, id in cursor}


def viewed(user: str, random: random.Random) -> dict[str, Any]:
    """An event that nobody listens for, as a shop's backend reports it."""
    return track(user, "Product Viewed", {"value": random.randrange(5, 500), "position": random.randrange(40)})


def abandoned(user: str, event: str = "Cart Abandoned") -> dict[str, Any]:
    """What starts a journey."""
    return track(user, event, {"value": 120, "cart_id": f"cart-{user}"})


def ordered(user: str) -> dict[str, Any]:
    """What ends one."""
    return track(user, "Order Completed", {"value": 120, "cart_id": f"cart-{user}"})


def entry() -> str:
    """The event that started a journey, as its row has it."""
    body = msgspec.json.encode(abandoned("anybody"))
    [event] = decode(body, kind="track", source=DEFAULT_SOURCE, received_at=datetime.now(UTC), new_id=uuid4).events
    return msgspec.json.encode(event).decode()


def batches(items: Sequence[dict[str, Any]], size: int = 100) -> Iterator[bytes]:
    """The bodies of calls of /v1/batch."""
    for start in range(0, len(items), size):
        sent_at = datetime.now(UTC).isoformat()
        yield msgspec.json.encode({"batch": items[start : start + size], "sentAt": sent_at})


def track(user: str, event: str, properties: dict[str, Any]) -> dict[str, Any]:
    """A call of a shop's backend."""
    return {
        "type": "track",
        "messageId": str(uuid4()),
        "userId": user,
        "event": event,
        "properties": {
            "product_id": "p-507f1f77bcf86cd799439011",
            "category": "Garden",
            "name": "Watering can, 9 l",
            "currency": "EUR",
            **properties,
        },
        "context": {"library": {"name": "backend", "version": "2.3.5"}},
        "timestamp": datetime.now(UTC).isoformat(),
    }
