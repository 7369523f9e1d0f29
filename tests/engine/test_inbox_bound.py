"""The bound on the messages of a person in the inbox."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from tests.engine.inbox_harness import CARD, InboxHarness, inbox_harness
from tests.harness import now, open_harness
from tests.servers import TemporalServer

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
# No worker takes the journeys up.
TIPS = """
key: tips
name: Tips
entry: {event: Signed Up}
steps:
  - {id: first, send: {channel: in_app, template: tip, expires: 30d}}
  - {id: second, send: {channel: in_app, template: tip, expires: 30d}}
  - {id: third, send: {channel: in_app, template: tip, expires: 30d}}
  - {id: last, send: {channel: in_app, template: tip, expires: 30d}}
"""
TEMPLATES = {"tip.liquid": CARD}


@pytest.fixture
async def world(database_url: str, temporal: TemporalServer) -> AsyncIterator[InboxHarness]:
    async with open_harness(database_url, temporal, is_working=False) as harness, inbox_harness(harness) as world:
        yield world


async def test_newer_messages_displace_the_oldest_and_the_timeline_says_so(
    world: InboxHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.inbox.MAX_KEPT", 2)
    await world.harness.run_campaign(TIPS, TEMPLATES)
    at = now()
    [journey] = await world.enter(["u1"], "Signed Up", AT)
    person = await world.profile("u1")
    _, second, third = [await world.send(journey, step, at) for step in ("first", "second", "third")]
    assert set((await world.inbox.read(person, at)).open) == {second, third}
    lines = [one["summary"] for one in await world.harness.timeline("u1") if one["kind"] == "message"]
    told = "withdrawn before it was shown: the person has as many newer ones as there may be"
    assert [line for line in lines if "withdrawn" in line] == [f"first: in_app tip sent, {told}"]
    # One that is over goes first, though it is newer.
    await world.react(third, "dismissed", at)
    last = await world.send(journey, "last", at)
    assert set((await world.inbox.read(person, at)).open) == {second, last}
