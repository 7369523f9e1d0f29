"""The life of a campaign on real servers: every move, what becomes due by itself, and what many journeys go through."""

from typing import Any

import pytest

from tests.harness import Harness, open_harness
from tests.processes import worker_process
from tests.servers import TemporalServer

PLAIN = """
key: plain
name: Plain
entry: {event: Signed Up}
steps:
  - {id: rest, delay: 30d}
  - {id: mail, send: {channel: email, template: note}}
"""


async def state(harness: Harness, key: str = "plain") -> str:
    return str((await harness.admin("GET", f"/v1/campaigns/{key}"))["state"])


async def move(harness: Harness, verb: str, body: Any = None, key: str = "plain") -> Any:
    return await harness.admin("POST", f"/v1/campaigns/{key}/{verb}", body)


async def refused(harness: Harness, verb: str, body: Any = None, key: str = "plain") -> Any:
    response = await harness.act("POST", f"/v1/campaigns/{key}/{verb}", body)
    assert response.status_code == 409, response.text
    return response.json()


async def has_state(harness: Harness, wanted: str, key: str = "plain") -> None:
    await harness.until("SELECT 1 FROM campaigns WHERE key = %s AND state = %s", key, wanted)


async def test_from_draft_to_archived(harness: Harness) -> None:
    await harness.publish(PLAIN)
    assert await state(harness) == "draft"
    assert (await move(harness, "start"))["state"] == "running"
    assert (await move(harness, "pause"))["state"] == "paused"
    assert (await move(harness, "resume"))["state"] == "running"
    assert (await move(harness, "stop"))["state"] in ("stopping", "ended")
    await has_state(harness, "ended")
    assert (await move(harness, "archive"))["state"] == "archived"
    handle = harness.temporal.get_workflow_handle("campaign/plain")
    assert await handle.result() in ("ended", "archived")


async def test_a_campaign_that_drains_ends_with_its_last_journey(harness: Harness) -> None:
    await harness.run_campaign(PLAIN)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")
    journey = await harness.journey("u1")
    assert (await move(harness, "stop"))["state"] == "stopping"
    await harness.track("u2", "Signed Up")
    assert (
        await harness.query("SELECT 1 FROM journeys JOIN profiles ON profiles.id = profile_id WHERE user_id = 'u2'")
        == []
    )
    await harness.skip(journey, days=30)
    await has_state(harness, "ended")
    assert len(harness.inbox.messages) == 1


async def test_exit_ends_everything(harness: Harness) -> None:
    await harness.run_campaign(PLAIN)
    for user in ("u1", "u2", "u3"):
        await harness.track(user, "Signed Up")
    journeys = [await harness.journey(user) for user in ("u1", "u2", "u3")]
    assert (await move(harness, "stop", {"mode": "exit"}))["state"] == "stopping"
    assert [await journey.result() for journey in journeys] == ["exited"] * 3
    await has_state(harness, "ended")
    [operation] = (await harness.admin("GET", "/v1/campaigns/plain/operations"))["operations"]
    assert operation["state"] == "done"
    assert (operation["kind"], operation["done"], operation["counts"]["exited"]) == ("exit", 3, 3)
    assert operation in (await harness.admin("GET", "/v1/operations"))["operations"]
    assert (await refused(harness, "stop", {"mode": "exit"}))["state"] == "ended"
    [exited] = [item for item in await harness.timeline("u1") if item["kind"] == "exit"]
    assert (exited["reason"], exited["data"]["by"]) == ("campaign_stopped", "SOJOURN_ADMIN_KEY")
    assert (await move(harness, "start"))["state"] == "running"


@pytest.mark.takes_long
async def test_a_stop_survives_the_death_of_its_workers(database_url: str, temporal: TemporalServer) -> None:
    """Killed as the rows are ended, and again while the server's batch is under way."""
    async with open_harness(database_url, temporal, is_working=False) as harness:
        await harness.run_campaign(PLAIN)
        users = [f"u{number}" for number in range(40)]
        async with worker_process(harness.settings):
            for user in users:
                await harness.track(user, "Signed Up")
            journeys = [await harness.journey(user) for user in users]
        assert (await move(harness, "stop", {"mode": "exit"}))["state"] == "stopping"
        for seen in ("started_at IS NOT NULL", "counts ->> 'batches' = '1'"):
            async with worker_process(harness.settings) as worker:
                await harness.until(f"SELECT 1 FROM operations WHERE {seen}")  # noqa: S608
                worker.kill()
        async with worker_process(harness.settings):
            await has_state(harness, "ended")
            assert [await journey.result() for journey in journeys] == ["exited"] * len(users)
        [operation] = (await harness.admin("GET", "/v1/campaigns/plain/operations"))["operations"]
        assert (operation["state"], operation["done"], operation["counts"]["exited"]) == ("done", 40, 40)
        exits = await harness.query(
            "SELECT journey_id FROM decisions WHERE kind = 'exit' AND reason = 'campaign_stopped'"
        )
        assert len({row["journey_id"] for row in exits}) == len(exits) == 40


async def test_a_version_starts_again_once_all_of_its_journeys_have_ended(harness: Harness) -> None:
    """Those who entered before that would be ended with them."""
    await harness.run_campaign(PLAIN)
    await harness.track("u1", "Signed Up")
    await harness.journey("u1")
    await move(harness, "stop", {"mode": "exit"})
    await harness.journeys.until(state="exited")
    assert await harness.query("SELECT 1 FROM operations WHERE state = 'running'") != []
    assert "is still ending the journeys of version 1" in (await refused(harness, "start"))["detail"]
    await has_state(harness, "ended")
    await move(harness, "start")
    await harness.track("u2", "Signed Up")
    await harness.rests(await harness.journey("u2"), "rest")
