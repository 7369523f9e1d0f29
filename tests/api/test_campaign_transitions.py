"""Every move of a campaign, from every state: what it comes to, or the refusal that says what is possible."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from application.campaign_life import CampaignLife
from domain.campaign.life import ALLOWED
from store.database import Database

NOW = datetime.now(UTC)
SOON = NOW + timedelta(days=1)
LATER = NOW + timedelta(days=2)

# How a campaign gets into each state: by moves, and by what its workflow does as it begins and ends.
WAYS = {
    "draft": [],
    "scheduled": ["start"],
    "running": ["start", "begin"],
    "paused": ["start", "begin", "pause"],
    "stopping": ["start", "begin", "stop"],
    "ended": ["start", "begin", "stop", "end"],
    "archived": ["start", "begin", "stop", "end", "archive"],
}
AFTER = {
    ("start", "draft"): "scheduled",
    ("start", "scheduled"): "scheduled",
    ("start", "running"): "running",
    ("start", "stopping"): "running",
    ("start", "ended"): "running",
    ("pause", "running"): "paused",
    ("resume", "paused"): "running",
    ("stop", "scheduled"): "stopping",
    ("stop", "running"): "stopping",
    ("stop", "paused"): "stopping",
    ("archive", "draft"): "archived",
    ("archive", "ended"): "archived",
}
MOVES = ("start", "pause", "resume", "stop", "archive")


class CampaignDriver:
    """One campaign, whose schedule begins when the test says so."""

    key = "plain"

    def __init__(self, operator: httpx.AsyncClient, database: Database) -> None:
        self.http = operator
        self.database = database
        self.life = CampaignLife(database)

    async def publish(self, name: str = "Plain", *, ends_at: datetime | None = LATER) -> httpx.Response:
        schedule = f"starts_at: {SOON:%Y-%m-%dT%H:%M:%SZ}"
        if ends_at is not None:
            schedule += f", ends_at: {ends_at:%Y-%m-%dT%H:%M:%SZ}"
        source = (
            f"key: {self.key}\nname: {name}\nschedule: {{{schedule}}}\nentry: {{event: Signed Up}}\n"
            "steps: [{id: rest, delay: 1h}]\n"
        )
        return await self.http.post("/v1/campaigns", json={"file": "plain.yaml", "source": source, "templates": {}})

    async def get_to(self, state: str) -> None:
        assert (await self.publish()).status_code == 201
        for way in WAYS[state]:
            match way:
                case "begin":
                    await self.set_schedule("starts_at", NOW)
                    await self.life.advance(self.key, NOW)
                case "end":
                    await self.life.advance(self.key, NOW)
                case _:
                    response = await self.move(way)
                    assert response.is_success, response.text
        assert await self.state() == state

    async def set_schedule(self, bound: str, instant: datetime) -> None:
        """As if it had been published so some time ago."""
        async with self.database.transaction() as connection:
            await connection.execute(
                "UPDATE campaign_versions SET rules = jsonb_set(rules, ARRAY['schedule', %s], to_jsonb(%s::text)) "
                "WHERE campaign_key = %s",
                (bound, f"{instant:%Y-%m-%dT%H:%M:%SZ}", self.key),
            )

    async def move(self, verb: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.http.post(f"/v1/campaigns/{self.key}/{verb}", json=body, headers=headers)

    async def state(self) -> str:
        return str((await self.http.get(f"/v1/campaigns/{self.key}")).json()["state"])


@pytest.fixture
async def driver(operator: httpx.AsyncClient, live: FastAPI, database_url: str) -> AsyncIterator[CampaignDriver]:
    async with Database(database_url, pool_size=2) as database:
        yield CampaignDriver(operator, database)


async def test_every_move_from_every_state(driver: CampaignDriver) -> None:
    for state, verb in product(WAYS, MOVES):
        driver.key = f"{verb}-{state}"
        await driver.get_to(state)
        response = await driver.move(verb)
        if (verb, state) in AFTER:
            assert response.status_code == 200, (verb, state, response.text)
            assert response.json()["state"] == await driver.state() == AFTER[verb, state], (verb, state)
            continue
        assert response.status_code == 409, (verb, state, response.text)
        problem = response.json()
        assert problem["state"] == await driver.state() == state, (verb, state)
        assert problem["allowed"] == [move for move, states in ALLOWED.items() if state in states]
        assert all(move in problem["detail"] for move in problem["allowed"])


async def test_a_version_is_published_in_every_state_but_the_last(driver: CampaignDriver) -> None:
    for state in WAYS:
        driver.key = f"publish-{state}"
        await driver.get_to(state)
        response = await driver.publish("Plain, but changed")
        if state == "archived":
            assert (response.status_code, response.json()["state"]) == (409, "archived")
            assert "another key" in response.json()["detail"]
            continue
        assert (response.status_code, response.json()["version"]) == (201, 2), state
        assert await driver.state() == state


async def test_what_becomes_due(driver: CampaignDriver) -> None:
    await driver.get_to("scheduled")
    assert (await driver.life.advance("plain", NOW)).look_again_at == SOON.replace(microsecond=0)
    assert (await driver.life.advance("plain", SOON)).state == "running"
    assert (await driver.life.advance("plain", SOON)).look_again_at == LATER.replace(microsecond=0)
    # Nobody is in it, so that it ends as it stops.
    assert (await driver.life.advance("plain", LATER)).state == "ended"
    trail = (await driver.http.get("/v1/audit-log", params={"target": "plain"})).json()["entries"]
    assert [(one["action"], one["actor"]) for one in reversed(trail)] == [
        ("campaign.publish", "environment"),
        ("campaign.start", "environment"),
        ("campaign.begin", "sojourn"),
        ("campaign.stop", "sojourn"),
        ("campaign.end", "sojourn"),
    ]


async def test_a_schedule_that_is_over_cannot_be_started(driver: CampaignDriver) -> None:
    await driver.get_to("ended")
    await driver.set_schedule("ends_at", datetime(2026, 1, 1, tzinfo=UTC))
    response = await driver.move("start")
    assert response.status_code == 409
    assert "ended at 2026-01-01T00:00:00Z; publish one with a later schedule.ends_at" in response.json()["detail"]


async def test_stopping_twice_says_what_is_going_on(driver: CampaignDriver) -> None:
    await driver.get_to("stopping")
    assert "is stopping already" in (await driver.move("stop", {"mode": "drain"})).json()["detail"]
    assert "is ending all of its journeys already" in (await driver.move("stop", {"mode": "exit"})).json()["detail"]


async def test_of_two_clients_in_conflict_one_is_refused_and_told_why(driver: CampaignDriver) -> None:
    await driver.get_to("running")
    for _ in range(10):
        pause, stop = await asyncio.gather(driver.move("pause"), driver.move("stop"))
        assert stop.status_code == 200
        if pause.status_code == 409:
            assert pause.json()["state"] == "stopping"
        assert await driver.state() == "stopping"
        assert (await driver.move("start")).status_code == 200


async def test_of_two_clients_that_have_seen_the_same_one_moves_it(driver: CampaignDriver) -> None:
    await driver.get_to("running")
    for _ in range(10):
        seen = (await driver.http.get("/v1/campaigns/plain")).headers["ETag"]
        first, second = await asyncio.gather(
            driver.move("pause", **{"If-Match": seen}), driver.move("stop", **{"If-Match": seen})
        )
        assert sorted((first.status_code, second.status_code)) in ([200, 412], [200, 409])
        moved = "paused" if first.status_code == 200 else "stopping"
        assert await driver.state() == moved
        assert (await driver.move("resume" if moved == "paused" else "start")).status_code == 200


async def test_a_version_that_was_never_published_cannot_be_started(driver: CampaignDriver) -> None:
    await driver.get_to("draft")
    response = await driver.move("start", {"version": 2})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert "its latest is 1" in response.json()["detail"]
