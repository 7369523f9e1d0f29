"""Inboxes of the members of an account, and of the receiver of a single message."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.journey.requests import MembersRequest
from domain.sending.gate_answers import MembersPage
from tests.engine.inbox_harness import BANNER, InboxHarness, inbox_harness
from tests.engine.ingesting import event
from tests.engine.positions import UNRECORDED
from tests.harness import now, open_harness
from tests.servers import TemporalServer

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
TEAM = """
key: team
name: Team
entry: {event: Account Created, account: true}
exit: [{event: Invited}]
steps:
  - {id: tell, send: {channel: in_app, template: tip, to: {role: admin}, expires: 30d}}
  - {id: rest, delay: 1d}
"""


@pytest.fixture
async def world(database_url: str, temporal: TemporalServer) -> AsyncIterator[InboxHarness]:
    async with open_harness(database_url, temporal, is_working=False) as harness, inbox_harness(harness) as world:
        yield world


async def test_members_each_have_it_until_they_leave_or_one_ends_the_journey(world: InboxHarness) -> None:
    await world.harness.run_campaign(TEAM, {"tip.liquid": BANNER})
    users = ("u1", "u2", "u3")
    joined = [replace(event("group", user, at=AT, role="admin"), group_id="acme") for user in users]
    await world.ingest(joined, received_at=AT)
    await world.ingest([event("track", "u1", name="Account Created", at=AT)], received_at=AT)
    [journey] = await world.harness.query("SELECT id FROM journeys")
    asked = MembersRequest(
        journey_id=journey["id"],
        step="tell",
        visit=1,
        attempt=1,
        reached_at=AT,
        at=AT,
        after=None,
        next_positions=UNRECORDED,
    )
    page = await world.gate.authorize_members(asked)
    assert isinstance(page, MembersPage)
    assert {await world.attempt(UUID(id), AT) for id in page.message_ids} == {"sent"}

    async def count() -> list[int]:
        return [len((await world.inbox.read(await world.profile(user), AT)).open) for user in users]

    assert await count() == [1, 1, 1]
    left = replace(event("track", "u2", name="Account Removed User", at=AT), context={"groupId": "acme"})
    await world.ingest([left], received_at=AT)
    assert await count() == [1, 0, 1]
    await world.ingest([event("track", "u3", name="Invited", at=AT)], received_at=AT)
    assert await count() == [0, 0, 0]


async def test_a_single_message_waits_as_well_and_goes_to_no_address(world: InboxHarness) -> None:
    files = {"files": {"welcome.liquid": BANNER}}
    await world.harness.admin("PUT", "/v1/templates/in_app/welcome", files)
    await world.ingest([event("identify", "u1")], received_at=AT)
    asked = {"template": {"channel": "in_app", "name": "welcome"}}
    requested = await world.harness.admin("POST", "/v1/messages", asked | {"user_id": "u1"})
    [sent] = await world.harness.until("SELECT id, at FROM messages WHERE state = 'sent'")
    assert str(sent["id"]) == requested["id"]
    assert (await world.inbox.read(await world.profile("u1"), now())).open == [sent["id"]]
    refused = await world.harness.act("POST", "/v1/messages", asked | {"address": "u1@example.com"})
    assert (refused.status_code, "name a `user_id`" in refused.text) == (400, True)
