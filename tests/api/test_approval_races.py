"""Approvals beside a stop, and in an API that is killed between the approval and its start."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psycopg
import pytest

from tests.api.approval_office import ABOVE, PEOPLE, Office, asked, audience, office, raced
from tests.api.fakes import ADMIN_KEY
from tests.api.live import ApiProcess, api_process
from tests.harness import PATIENCE, looks

__all__ = ["asked", "office"]  # fixtures

# It stands between the approval and what it starts, in their transaction.
GATE = """
CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_advisory_xact_lock_shared(1200); RETURN NEW; END';
CREATE TRIGGER gate BEFORE UPDATE ON campaigns FOR EACH ROW EXECUTE FUNCTION wait_at_gate();
"""


@pytest.mark.parametrize("mode", ["drain", "exit"])
@pytest.mark.parametrize("is_stopped_first", [False, True])
async def test_approve_beside_stop(office: Office, mode: str, is_stopped_first: bool) -> None:
    """A version waits of a campaign that is stopped: it runs before, or never; nothing runs after."""
    await office.know(PEOPLE)
    await office.publish(audience())
    assert (await office.decide("Bob", await office.waits("Ada"))).status_code == 200
    await office.know(3 * PEOPLE)
    await office.publish(audience(rest="31d"))
    asked = await office.waits("Ada", "start", {"in_flight": "migrate"})
    stop, approve = office.move("Ada", "stop", {"mode": mode}), office.decide("Bob", asked)
    if is_stopped_first:
        stopped, approved = await raced(office, stop, approve, is_in_order=True)
    else:
        approved, stopped = await raced(office, approve, stop, is_in_order=True)
    assert stopped.status_code == 200, stopped.text
    assert approved.status_code == (409 if is_stopped_first else 200), approved.text
    assert await office.state_of(asked) == ("outdated" if is_stopped_first else "approved")
    again = await office.decide("Bob", asked)
    assert (again.status_code, again.json()["code"]) == (409, "approval_not_waiting")
    assert (await office.campaign())["state"] in ("stopping", "ended")


@asynccontextmanager
async def closed_gate(database_url: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """What comes to the gate waits there."""
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await holder.execute("SELECT pg_advisory_xact_lock(1200)")
        yield holder


async def until_at_gate(holder: psycopg.AsyncConnection[Any]) -> None:
    query = """
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 1200 AND NOT granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """
    async for is_last in looks(PATIENCE):
        if await (await holder.execute(query)).fetchall():
            return
        assert not is_last, "no approval came to the gate"


@pytest.mark.takes_long
async def test_an_api_that_is_killed_between_an_approval_and_its_start_has_done_neither(
    office: Office, asked: dict[str, Any], database_url: str
) -> None:
    """A repeat under the same Idempotency-Key does both, once, and a further one is given its answer."""
    bob = office.people["Bob"].headers["Authorization"].removeprefix("Bearer ")
    path, once = f"/v1/approvals/{asked['id']}/approve", {"Idempotency-Key": "approve-once"}

    async def approve(api: ApiProcess) -> httpx.Response:
        async with api.client(bob) as client:
            return await client.post(path, headers=once)

    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute(GATE)
    async with closed_gate(database_url) as holder, api_process(database_url, approval_above=ABOVE) as api:
        approving = asyncio.create_task(approve(api))
        await until_at_gate(holder)
        api.process.kill()
        with pytest.raises(httpx.TransportError):
            await approving
    assert await office.state_of(asked) == "waiting"
    assert (await office.campaign())["state"] == "draft"
    assert await office.query("SELECT FROM operations") == []
    async with api_process(database_url, approval_above=ABOVE) as api:
        first, second = await approve(api), await approve(api)
        async with api.client(ADMIN_KEY) as root:
            assert (await root.get("/v1/campaigns/news")).json()["state"] == "running"
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert (first.headers.get("idempotent-replayed"), second.headers["idempotent-replayed"]) == (None, "true")
    assert [action for action, _ in await office.actions()].count("campaign.start") == 1
    assert await office.query("SELECT count(*) AS number FROM operations") == [{"number": 1}]
