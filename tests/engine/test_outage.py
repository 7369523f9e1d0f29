"""What happens while a dependency is away: nothing is lost, and all goes on by itself when it is back."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from runtime.embedded.postgres import EmbeddedPostgres
from runtime.embedded.temporal import EmbeddedTemporal
from store.migrate import upgrade
from tests.engine.campaigns import CART
from tests.harness import PATIENCE, Harness, looks, open_harness
from tests.servers import TemporalServer


@pytest.fixture(autouse=True)
def patient_pools() -> None:
    """A request to a database that is away is refused after the product's own timeout."""


async def test_journeys_start_once_temporal_is_back(lone_harness: Harness, lone_temporal: EmbeddedTemporal) -> None:
    harness = lone_harness
    await harness.run_campaign(CART)
    for user in ("u0", "u1"):
        await harness.track(user, "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    early = [await harness.journey(user) for user in ("u0", "u1")]

    async def shop(number: int) -> None:
        await harness.identify(f"u{number}", email=f"u{number}@example.com")
        await harness.track(f"u{number}", "Cart Abandoned", {"value": 120, "cart_id": "c2"})

    shopping = [asyncio.create_task(shop(number)) for number in range(10)]
    await lone_temporal.kill()
    await asyncio.gather(*shopping)
    for number in range(10, 30):
        await shop(number)
    # Ordered while Temporal is away: one journey that it knows already, one that it was never told of.
    await harness.track("u0", "Order Completed", {"cart_id": "c1"})
    await harness.track("u29", "Order Completed", {"cart_id": "c2"})
    assert len(await harness.query("SELECT * FROM outbox WHERE kind = 'start'")) >= 20
    await lone_temporal.restart()
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox)")
    rows = await harness.journeys.all()
    assert len(rows) == 32
    running = set()
    for row in rows:
        description = await harness.temporal.get_workflow_handle(row["workflow_id"]).describe()
        assert description.status is not None
        if description.status.name == "RUNNING":
            running.add(row["workflow_id"])
    exited = {row["workflow_id"] for row in rows if row["state"] == "exited"}
    assert len(exited) == 2
    for workflow_id in exited:
        assert await harness.temporal.get_workflow_handle(workflow_id).result() == "exited"
    assert len(running - exited) == 30
    await harness.skip(early[1], minutes=30)
    # The address of u1 was reported while Temporal was away.
    assert await early[1].result() == "completed"
    assert [mail.recipients for mail in harness.inbox.messages] == [("u1@example.com",)]


async def test_an_event_is_refused_for_now_while_the_database_is_away(
    data_folder: Path, temporal: TemporalServer
) -> None:
    """On a database server of its own, which stops and comes back."""
    folder = data_folder / "postgres-that-stops"
    server = await EmbeddedPostgres.start(folder)
    await asyncio.to_thread(upgrade, server.url)
    try:
        async with open_harness(server.url, temporal) as harness:
            await harness.run_campaign(CART)
            server = await _stop_and_start(harness, server, folder)
    finally:
        await server.stop()


async def _stop_and_start(harness: Harness, server: EmbeddedPostgres, folder: Path) -> EmbeddedPostgres:
    await harness.identify("u1", email="u1@example.com")
    event = {
        "messageId": "m1",
        "userId": "u1",
        "event": "Cart Abandoned",
        "properties": {"value": 120, "cart_id": "c1"},
    }
    await server.stop()
    response = await harness.http.post(
        "/v1/track", json=event, auth=(harness.settings.write_key.get_secret_value(), "")
    )
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    ready = await harness.http.get("/readyz")
    assert ready.status_code == 503
    assert list(ready.json()["parts"]) == ["database"]
    assert ready.json()["parts"]["database"].startswith("the database does not answer: there was no connection")
    server = await EmbeddedPostgres.start(folder, port=server.port)
    response = await _until_taken(harness, event)
    assert response.json() == {"success": True}
    handle = await harness.journey("u1")
    await harness.skip(handle, minutes=30)
    assert await handle.result() == "completed"
    assert len(harness.inbox.messages) == 1
    return server


async def _until_taken(harness: Harness, event: Mapping[str, object]) -> httpx.Response:
    """As a client does: the same event again until it is taken."""
    async for is_last in looks(PATIENCE):
        response = await harness.http.post(
            "/v1/track", json=event, auth=(harness.settings.write_key.get_secret_value(), "")
        )
        if response.is_success:
            return response
        assert not is_last, response.text
    raise AssertionError("there is a last look")
