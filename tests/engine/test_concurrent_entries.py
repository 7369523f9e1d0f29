"""Two API processes are told of the same entries at the same time: nobody is twice in a campaign under one key."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx
import pytest

from store.database import Database
from tests.api.fakes import ADMIN_KEY, WRITE_KEY
from tests.api.live import api_process

SEED = 20_261_122
USERS, CARTS, REPORTS = 30, 2, 4

CAMPAIGN = """
key: {key}
name: Cart
entry: {{event: Cart Abandoned, key: event.properties.cart_id, reentry: {reentry}}}
exit: [{{event: Order Completed}}]
steps: [{{id: rest, delay: 30d}}]
"""
CAMPAIGNS = {"always": "always", "once": "never", "spaced": "{after: 1d}"}


class Deployment:
    """Two API processes on one database, asked in turn."""

    def __init__(self, apis: Sequence[httpx.AsyncClient], database: Database) -> None:
        self._apis = apis
        self._database = database
        self._requests = count()
        self._messages = count()
        self._at = datetime.now(UTC).isoformat()
        self.rolls = random.Random(SEED)

    async def report(self, user: str, *events: tuple[str, str]) -> None:
        """A batch of (event, cart) to the process whose turn it is. All happen at once: none overtakes another."""
        batch = [
            {
                "type": "track",
                "messageId": f"m{next(self._messages)}",
                "userId": user,
                "event": event,
                "properties": {"cart_id": cart},
                "timestamp": self._at,
            }
            for event, cart in events
        ]
        api = self._apis[next(self._requests) % len(self._apis)]
        response = await api.post("/v1/batch", json={"batch": batch}, auth=(WRITE_KEY, ""))
        response.raise_for_status()
        assert "rejected" not in response.json()

    async def all_at_once(self, reports: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> None:
        shuffled = list(reports)
        self.rolls.shuffle(shuffled)
        await asyncio.gather(*(self.report(user, *events) for user, events in shuffled))

    async def decisions(self) -> dict[str, dict[str | None, int]]:
        """How often entries were decided how since the last time, by campaign; None is an entry."""
        async with self._database.transaction() as connection:
            cursor = await connection.execute(
                "WITH decided AS (DELETE FROM decisions RETURNING campaign_key, reason, kind) "
                "SELECT campaign_key, reason, count(*) FROM decided WHERE kind = 'entry' GROUP BY campaign_key, reason"
            )
            found: dict[str, dict[str | None, int]] = {}
            async for row in cursor:
                found.setdefault(row["campaign_key"], {})[row["reason"]] = row["count"]
            return found

    async def journeys(self, campaign: str, *, state: str) -> list[tuple[str, str]]:
        """The (user, key) of the journeys, each as often as there is one."""
        async with self._database.transaction() as connection:
            cursor = await connection.execute(
                "SELECT user_id, entry_key FROM journeys JOIN profiles ON profiles.id = profile_id "
                "WHERE campaign_key = %s AND state = %s ORDER BY user_id, entry_key",
                (campaign, state),
            )
            return [(row["user_id"], row["entry_key"]) async for row in cursor]


@pytest.fixture
async def deployment(database_url: str) -> AsyncIterator[Deployment]:
    async with AsyncExitStack() as stack:
        apis = []
        for api in await asyncio.gather(*(stack.enter_async_context(api_process(database_url)) for _ in range(2))):
            limits = httpx.Limits(max_connections=20)
            apis.append(await stack.enter_async_context(httpx.AsyncClient(base_url=api.url, timeout=60, limits=limits)))
        database = await stack.enter_async_context(Database(database_url, pool_size=2))
        for key, reentry in CAMPAIGNS.items():
            source = CAMPAIGN.format(key=key, reentry=reentry)
            await _admin(apis[0], "/v1/campaigns", {"file": "c.yaml", "source": source, "templates": {}})
            await _admin(apis[1], f"/v1/campaigns/{key}/start", None)
        yield Deployment(apis, database)


async def _admin(api: httpx.AsyncClient, path: str, body: Any) -> None:
    response = await api.post(path, json=body, headers={"Authorization": f"Bearer {ADMIN_KEY}"})
    assert response.is_success, response.text


async def test_entries_of_the_same_user_and_key_at_once_are_one_journey(deployment: Deployment) -> None:
    print(f"seed {SEED}")  # noqa: T201
    users = [f"u{number}" for number in range(USERS)]
    carts = [f"c{number}" for number in range(CARTS)]
    places = sorted((user, cart) for user in users for cart in carts)

    def entries() -> list[tuple[str, list[tuple[str, str]]]]:
        """Each user reports all carts several times, in any order."""
        return [
            (user, [("Cart Abandoned", cart) for cart in deployment.rolls.sample(carts, CARTS)])
            for user in users
            for _ in range(REPORTS)
        ]

    # Nobody is known yet: the people themselves are made at the same time.
    await deployment.all_at_once(entries())
    once_each: dict[str | None, int] = {None: len(places), "already_in": len(places) * (REPORTS - 1)}
    assert await deployment.decisions() == dict.fromkeys(CAMPAIGNS, once_each)
    for campaign in CAMPAIGNS:
        assert await deployment.journeys(campaign, state="active") == places

    await asyncio.gather(*(deployment.report(user, ("Order Completed", cart)) for user, cart in places))
    for campaign in CAMPAIGNS:
        assert await deployment.journeys(campaign, state="exited") == places

    await deployment.all_at_once(entries())
    refused = len(places) * REPORTS
    assert await deployment.decisions() == {
        "always": once_each,
        "once": {"reentry_never": refused},
        "spaced": {"reentry_after": refused},
    }
    assert await deployment.journeys("always", state="active") == places
    assert await deployment.journeys("once", state="active") == []
    assert await deployment.journeys("spaced", state="active") == []


async def test_journeys_that_end_in_the_batch_that_began_them_count_for_reentry(deployment: Deployment) -> None:
    """No active journey is there to collide with, in any moment that another process could see."""
    print(f"seed {SEED}")  # noqa: T201
    # Known already: who is new is held up by the making of their profile.
    await deployment.all_at_once([(f"u{number}", [("Seen", "c1")]) for number in range(USERS)])
    reports = [
        (f"u{number}", [("Cart Abandoned", "c1"), ("Order Completed", "c1")])
        for number in range(USERS)
        for _ in range(REPORTS)
    ]
    await deployment.all_at_once(reports)
    again = USERS * (REPORTS - 1)
    assert await deployment.decisions() == {
        "always": {None: USERS * REPORTS},
        "once": {None: USERS, "reentry_never": again},
        "spaced": {None: USERS, "reentry_after": again},
    }
    users = sorted((f"u{number}", "c1") for number in range(USERS))
    assert await deployment.journeys("once", state="exited") == users
    assert await deployment.journeys("spaced", state="exited") == users
    assert await deployment.journeys("always", state="active") == []
