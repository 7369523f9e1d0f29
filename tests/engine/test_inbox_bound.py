"""The bound on the messages of a person in the inbox."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from application.inbox import MAX_GIVEN_AT_A_TIME
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


async def test_what_matters_most_stays_and_a_pause_displaces_nothing(
    world: InboxHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.inbox.MAX_KEPT", 2)
    at, sent = now(), {}
    for key, options in (("bill", ", category: transactional"), ("offer", ""), ("tip", "")):
        source = f"""
key: {key}
name: {key}
entry: {{event: Entered {key}}}
steps: [{{id: say, send: {{channel: in_app, template: {key}, expires: 30d{options}}}}}]
"""
        priority = {"bill": 10, "offer": 90, "tip": 50}[key]
        template = CARD.replace("kind: card\n", f"kind: card\npriority: {priority}\n")
        await world.harness.run_campaign(source, {f"{key}.liquid": template})
        [journey] = await world.enter(["u1"], f"Entered {key}", AT)
        if key == "tip":
            await world.harness.query("UPDATE campaigns SET state = 'paused' WHERE key = 'offer' RETURNING key")
        sent[key] = await world.send(journey, "say", at)
    await world.harness.query("UPDATE campaigns SET state = 'running' WHERE key = 'offer' RETURNING key")
    assert set((await world.inbox.read(await world.profile("u1"), at)).open) == {sent["bill"], sent["offer"]}


async def test_slots_and_what_is_withdrawn_wait_for_no_pages_that_are_given_messages(world: InboxHarness) -> None:
    slot = CARD.replace("kind: card\n", "kind: slot\nplacement: hero\n").replace("title: News\n", "")
    await world.harness.run_campaign(TIPS, {"tip.liquid": slot})
    at, users = now(), [f"u{number}" for number in range(MAX_GIVEN_AT_A_TIME + 1)]
    for journey in await world.enter(users, "Signed Up", AT):
        await world.send(journey, "first", at)
    *others, last = [await world.profile(user) for user in users]
    async with world.harness.database.transaction() as connection:
        await connection.execute("SELECT FROM profiles WHERE id = ANY(%s) FOR UPDATE", (others,))
        waiting = [asyncio.create_task(world.inbox.read(person, at)) for person in others]
        locked = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        await world.harness.until(f"SELECT 1 {locked} HAVING count(*) >= %s", len(others))
        # One that the page has is there no more: it hears of that before it is given another.
        assert (await world.inbox.read(others[0], at, held={uuid4()})).open == []
        assert (await world.inbox.read_slots(last, ["hero"], at))["hero"] is not None
        assert not any(one.done() for one in waiting)
    for one in waiting:
        assert len((await one).open) == 1


async def test_messages_have_the_places_of_their_order_however_the_database_finds_them(world: InboxHarness) -> None:
    await world.harness.run_campaign(TIPS, TEMPLATES)
    at, sent = now(), []
    for journey in await world.enter(["u1"], "Signed Up", AT):
        sent = [await world.send(journey, step, at) for step in ("first", "second", "third", "last")]
    # The other way round, by its priority.
    for number, id in enumerate(sent):
        await world.harness.query("UPDATE inbox SET priority = %s WHERE message_id = %s RETURNING 1", number, id)
    seen = await world.inbox.read(await world.profile("u1"), at)
    assert [one.message_id for one in sorted(seen.messages, key=lambda one: one.seq)] == sent[::-1]
