"""A fallback goes by another channel unless there was a reaction in time."""

from typing import Any

from tests.engine.test_channel_choice import GONE, Push, push
from tests.harness import Harness

# The fixture, which tests ask for by its name.
__all__ = ["push"]

CAMPAIGN = """
key: nudge
name: Nudge
entry: {event: Signed Up}
exit: [{event: Order Completed}]
steps:
  - id: nudge
    send: {channel: [webhook, email], template: note, fallback: {after: AFTER, unless: opened}}
  - {id: after, set_stage: nudged}
"""


async def begin(harness: Harness, push: Push, after: str = "6h") -> Any:
    await harness.run_campaign(CAMPAIGN.replace("AFTER", after), push.templates())
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")
    return await harness.journey("u1")


async def lines(harness: Harness) -> list[str]:
    return [item["summary"] for item in await harness.timeline("u1") if item["kind"] in ("send", "message")]


async def test_a_push_that_is_not_opened_for_six_hours_is_followed_by_a_mail(harness: Harness, push: Push) -> None:
    handle = await begin(harness, push)
    await harness.rests(handle, "nudge.wait")
    await harness.skip(handle, hours=5, minutes=59)
    assert harness.inbox.messages == []
    await harness.skip(handle, minutes=1)
    assert await handle.result() == "completed"
    first, second = await harness.query("SELECT * FROM messages ORDER BY at")
    assert [(one["step"], one["channel"], one["state"]) for one in (first, second)] == [
        ("nudge", "webhook", "sent"),
        ("nudge.fallback", "email", "sent"),
    ]
    assert second["fallback_of"] == first["id"]
    assert len(harness.inbox.messages) == len(push.bodies) == 1
    assert "nudge.fallback: granted, by smtp, on email (webhook: sent before)" in await lines(harness)
    # The last one has no other channel to follow it, so that the journey went on at once.
    assert (await harness.journeys.one())["outcome"] == "completed"


async def test_an_opening_in_time_needs_no_fallback(harness: Harness, push: Push) -> None:
    """An app reports it by a name that no step waits for."""
    handle = await begin(harness, push)
    await harness.rests(handle, "nudge.wait")
    message = await harness.messages.one()
    await harness.track("u1", "Push Opened", {"message_id": str(message["id"])})
    await harness.skip(handle, hours=6)
    assert await handle.result() == "completed"
    assert harness.inbox.messages == []
    [line] = [line for line in await lines(harness) if line.startswith("nudge.fallback")]
    assert line.startswith("nudge.fallback: refused: not needed: the message on webhook was opened at ")


async def test_a_report_that_the_wait_hears_lets_the_journey_go_on_at_once(harness: Harness, push: Push) -> None:
    handle = await begin(harness, push)
    await harness.rests(handle, "nudge.wait")
    message = await harness.messages.one()
    await harness.track("u1", "Email Opened", {"message_id": str(message["id"])})
    assert await handle.result() == "completed"
    assert harness.inbox.messages == []


async def test_a_report_of_another_message_changes_nothing(harness: Harness, push: Push) -> None:
    handle = await begin(harness, push)
    await harness.rests(handle, "nudge.wait")
    await harness.track("u1", "Email Opened", {"message_id": "another"})
    await harness.decisions.until(step="nudge.fallback", outcome="deferred", reason="fallback")
    await harness.skip(handle, hours=6)
    assert await handle.result() == "completed"
    assert len(harness.inbox.messages) == 1


async def test_an_exit_while_it_waits_ends_both(harness: Harness, push: Push) -> None:
    handle = await begin(harness, push)
    await harness.rests(handle, "nudge.wait")
    await harness.track("u1", "Order Completed")
    assert await handle.result() == "exited"
    assert harness.inbox.messages == []


async def test_a_message_that_was_not_sent_has_no_fallback(harness: Harness, push: Push) -> None:
    """The push was refused and the person has no address: there is nothing to wait for."""
    push.reply = GONE
    await harness.run_campaign(CAMPAIGN.replace("AFTER", "6h"), push.templates())
    await harness.identify("u1", name="Ada")
    await harness.track("u1", "Signed Up")
    handle = await harness.journey("u1")
    assert await handle.result() == "completed"
    assert (await harness.messages.one())["state"] == "failed"


async def test_a_condition_sees_the_opening_of_the_fallback(harness: Harness, push: Push) -> None:
    branch = (
        "  - {id: rest, delay: 1d}\n"
        "  - id: which\n"
        "    branch: [{when: journey.messages.nudge == 'opened', do: [{exit: engaged}]}]\n"
    )
    await harness.run_campaign(CAMPAIGN.replace("AFTER", "6h") + branch, push.templates())
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")
    handle = await harness.journey("u1")
    await harness.rests(handle, "nudge.wait")
    await harness.skip(handle, hours=6)
    [mail] = await harness.messages.until(step="nudge.fallback", state="sent")
    await harness.track("u1", "Email Opened", {"message_id": str(mail["id"])})
    await harness.rests(handle, "rest")
    await harness.skip(handle, days=1)
    assert await handle.result() == "engaged"
