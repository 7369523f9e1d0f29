"""What a journey does to the profile, once each, whatever happens to the worker."""

from datetime import UTC
from uuid import UUID

from application.catalogue import Catalogue
from application.step_decisions import StepDecisions
from domain.journey.requests import ActionRequest
from tests.engine.campaigns import LOYALTY
from tests.engine.positions import UNRECORDED
from tests.harness import Harness, actions, now

COMPUTED = "computed:\n  contact: {last: Looked, of: event.properties.contact}\n"
COPYING = """
key: copying
name: Copying
entry: {event: Signed Up}
steps:
- {id: copy, update_profile: {nick: {cel: profile.computed.contact}, plan: {cel: profile.computed.contact}}}
- {id: again, update_profile: {name: {cel: profile.traits.nick}}}
- {id: tell, emit_event: {event: Told, properties: {contact: {cel: profile.traits.name}}}}
- {id: address, update_profile: {email: {cel: profile.traits.name}}}
"""


async def enter(harness: Harness) -> None:
    await harness.identify("u1", points=10, tier="none", newsletter=True, name="u")
    await harness.track("u1", "Order Completed", {"value": 42})


async def test_actions_change_what_later_steps_and_conditions_see(harness: Harness) -> None:
    await harness.run_campaign(LOYALTY)
    await enter(harness)
    handle = await harness.journey("u1")
    assert await handle.result() == "completed"
    [profile] = await harness.query("SELECT traits, stage FROM profiles")
    journey = await harness.journeys.one()
    assert profile["stage"] == "loyal"
    since = profile["traits"].pop("since")
    assert since == journey["entered_at"].astimezone(UTC).isoformat().replace("+00:00", "Z")
    assert profile["traits"] == {
        "name": "u",
        "tier": "silver",
        "points": 52,
        "newsletter": None,
        "tags": ["buyer", "2026"],
    }
    said = [(item["kind"], item["summary"]) for item in await harness.timeline("u1")]
    assert said[2:] == [
        ("entry", "entered loyalty"),
        ("update_profile", "points: set newsletter, points, since, tags, tier"),
        ("set_stage", "loyal: stage loyal"),
        (
            "branch",
            'which: case 1, as profile.traits.tier == "silver" && profile.traits.points == 52 '
            '&& profile.stage == "loyal"',
        ),
        ("emit_event", "tell: reported Became Loyal"),
        ("end", "loyalty is over: completed"),
        ("event", "Became Loyal"),
    ]
    [update] = [item for item in await harness.timeline("u1") if item["kind"] == "update_profile"]
    assert list(update["data"]["errors"]) == ["bad"]
    [event] = await harness.query("SELECT properties FROM events WHERE name = 'Became Loyal'")
    assert event["properties"] == {"points": 52}
    # Start, three actions and the branch: the last action records the end as well.
    assert actions(await handle.fetch_history()) == 5


async def test_no_copy_of_a_computed_trait_becomes_an_address(harness: Harness) -> None:
    """Anyone may have reported the event that it holds a value of: so it is through steps, events and changes."""
    await harness.admin("PUT", "/v1/computed", {"file": "computed.yaml", "source": COMPUTED})
    await harness.run_campaign(COPYING)
    for key, entry, value in (
        ("told", "{event: Told}", "entry.properties.contact"),
        ("changed", "{changed: profile.traits.name}", "entry.properties.after"),
        ("counted", "{changed: profile.computed.contact}", "entry.properties.after"),
    ):
        step = f"{{id: address, update_profile: {{email: {{cel: {value}}}}}}}"
        await harness.run_campaign(f"key: {key}\nname: {key}\nentry: {entry}\nsteps: [{step}]\n")
    await harness.identify("u1", plan="pro")
    await harness.track("u1", "Looked", {"contact": "e@evil.example"})
    await harness.track("u1", "Signed Up")
    await harness.until("SELECT 1 FROM journeys HAVING count(*) FILTER (WHERE state = 'completed') = 4")
    [profile] = await harness.query("SELECT traits FROM profiles")
    assert profile["traits"] == {"plan": "pro", "nick": "e@evil.example", "name": "e@evil.example"}
    refused = await harness.query("SELECT data -> 'errors' AS errors FROM decisions WHERE data ? 'errors'")
    assert sorted(name for row in refused for name in row["errors"]) == ["email"] * 4 + ["plan"]


async def test_a_deed_whose_answer_was_lost_is_done_once(harness: Harness) -> None:
    """The activity runs again after a crash, by itself or beside another attempt."""
    counting = """
key: counting
name: Counting
entry: {event: Order Completed}
steps:
  - {id: points, update_profile: {points: {cel: profile.traits.points + 1}}}
  - {id: tell, emit_event: {event: Counted}}
  - {id: rest, delay: 1d}
"""
    await harness.run_campaign(counting)
    await enter(harness)
    await harness.until("SELECT 1 FROM events WHERE name = 'Counted'")
    journey = await harness.journeys.one()
    catalogue = Catalogue()
    doer = StepDecisions(harness.database, catalogue, "UTC")
    for step in ("points", "tell"):
        request = ActionRequest(UUID(str(journey["id"])), step, 1, now(), None, {}, UNRECORDED)
        assert await doer.perform(request) is False
    assert await harness.query("SELECT traits -> 'points' AS points FROM profiles") == [{"points": 11}]
    assert len(await harness.query("SELECT 1 FROM events WHERE name = 'Counted'")) == 1
    assert len(await harness.query("SELECT 1 FROM decisions WHERE kind IN ('update_profile', 'emit_event')")) == 2


async def test_a_message_id_that_a_client_took_in_advance_hides_no_event_of_a_journey(harness: Harness) -> None:
    """The id of what a step reports follows from the journey's, which a client may come to know."""
    await harness.run_campaign(LOYALTY)
    await enter(harness)
    await harness.ended("u1")
    reported = "SELECT message_id FROM events WHERE name = 'Became Loyal' AND user_id = 'u1'"
    [first] = await harness.until(reported)
    await harness.query("DELETE FROM events WHERE name = 'Became Loyal' RETURNING 1")
    await harness.query("DELETE FROM message_ids WHERE message_id = %s RETURNING 1", first["message_id"])
    await harness.track("stranger", "Seen", messageId=first["message_id"])
    journey = await harness.journeys.one()
    catalogue = Catalogue()
    doer = StepDecisions(harness.database, catalogue, "UTC")
    await doer.perform(ActionRequest(UUID(str(journey["id"])), "tell", 1, now(), "completed", {}, UNRECORDED))
    assert await harness.query(reported) == [first]


async def test_an_event_whose_report_died_is_reported_by_the_next_attempt(harness: Harness) -> None:
    """The decision was kept, and the worker died before the event went in."""
    await harness.run_campaign(LOYALTY)
    await enter(harness)
    await harness.ended("u1")
    reported = "SELECT id, source, message_id, properties FROM events WHERE name = 'Became Loyal'"
    [first] = await harness.until(reported)
    await harness.query("DELETE FROM events WHERE name = 'Became Loyal' RETURNING 1")
    await harness.query("DELETE FROM message_ids WHERE message_id = %s RETURNING 1", first["message_id"])
    journey = await harness.journeys.one()
    catalogue = Catalogue()
    doer = StepDecisions(harness.database, catalogue, "UTC")
    await doer.perform(ActionRequest(UUID(str(journey["id"])), "tell", 1, now(), "completed", {}, UNRECORDED))
    assert await harness.query(reported) == [first]


async def test_nothing_is_done_once_an_exit_was_acknowledged(harness: Harness) -> None:
    await harness.run_campaign(LOYALTY.replace("steps:\n", "steps:\n  - {id: rest, delay: 1d}\n"))
    await enter(harness)
    handle = await harness.journey("u1")
    await harness.track("u1", "Account Closed")
    journey = await harness.journeys.one()
    assert journey["state"] == "exited"
    catalogue = Catalogue()
    doer = StepDecisions(harness.database, catalogue, "UTC")
    for step in ("points", "loyal", "tell"):
        assert await doer.perform(ActionRequest(UUID(str(journey["id"])), step, 1, now(), None, {}, UNRECORDED)) is True
    assert await handle.result() == "exited"
    [profile] = await harness.query("SELECT traits, stage FROM profiles")
    assert (profile["traits"]["tier"], profile["stage"]) == ("none", None)
