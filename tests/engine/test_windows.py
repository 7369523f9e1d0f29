"""Quiet hours by the recipient's clocks, from an HTTP event to a mail in the morning."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.engine.clock_text import clock_text
from tests.harness import Harness, actions, now, open_harness
from tests.servers import TemporalServer

# Neither turns its clocks, so that an hour from now is an hour later on them, whenever this runs.
TOKYO, REYKJAVIK = "Asia/Tokyo", "Atlantic/Reykjavik"
HOUR = timedelta(hours=1)

NUDGE = """
key: nudge
name: Nudge
entry: {event: Cart Abandoned}
exit: [{event: Order Completed}]
send_window: WINDOW
steps:
  - {id: cool-off, delay: 1s}
  - {id: nudge, send: {channel: email, template: note, expires: 3d}}
"""


def hours(zone: str, opens: timedelta, closes: timedelta) -> tuple[str, datetime, datetime]:
    """A window that opens and closes so long from now by the clocks of a zone, to the minute; and the instants."""
    minute = now().replace(second=0, microsecond=0)
    opens_at, closes_at = minute + opens, minute + closes
    local = [f"{at.astimezone(ZoneInfo(zone)):%H:%M}" for at in (opens_at, closes_at)]
    return f'{{from: "{local[0]}", to: "{local[1]}"}}', opens_at, closes_at


async def enter(harness: Harness, user: str, **traits: Any) -> Any:
    await harness.identify(user, email=f"{user}@example.com", **traits)
    await harness.track(user, "Cart Abandoned")
    return await harness.journey(user)


async def decisions(harness: Harness, user: str) -> list[tuple[str, str | None, Mapping[str, Any]]]:
    """What the gate has answered, and why."""
    rows = await harness.query(
        """
        SELECT outcome, reason, data FROM decisions JOIN profiles ON profiles.id = profile_id
        WHERE user_id = %s AND kind = 'send' ORDER BY decisions.recorded_at
        """,
        user,
    )
    return [(row["outcome"], row["reason"], row["data"]) for row in rows]


async def sent_at(harness: Harness, user: str) -> datetime:
    row = await harness.messages.one(user_id=user, state="sent")
    at: datetime = row["at"]
    return at


async def test_a_message_waits_for_the_recipients_morning(harness: Harness) -> None:
    window, opens, _ = hours(TOKYO, 3 * HOUR, 5 * HOUR)
    await harness.run_campaign(NUDGE.replace("WINDOW", window))
    handle = await enter(harness, "u1", timezone=TOKYO)
    await harness.decisions.until(outcome="deferred")
    assert [item["summary"] for item in await harness.timeline("u1")][-1] == (
        f"nudge: deferred to {clock_text(opens, TOKYO)}: quiet hours"
    )
    assert harness.inbox.messages == []
    await harness.skip(handle, hours=3, minutes=1)
    assert await handle.result() == "completed"
    assert opens <= await sent_at(harness, "u1") < opens + timedelta(minutes=1)
    assert len(harness.inbox.messages) == 1
    # Start, two timers, two questions, the send, and the search attributes of the longer rest.
    assert actions(await handle.fetch_history()) == 7


async def test_whoever_moves_while_a_message_waits_gets_it_in_the_morning_of_the_new_home(harness: Harness) -> None:
    """When it is morning in Tokyo, it is nine hours earlier in Reykjavik."""
    window, opens, _ = hours(TOKYO, 3 * HOUR, 5 * HOUR)
    await harness.run_campaign(NUDGE.replace("WINDOW", window))
    handle = await enter(harness, "u1", timezone=TOKYO)
    await harness.decisions.until(outcome="deferred")
    await harness.identify("u1", timezone=REYKJAVIK)
    await harness.skip(handle, hours=3, minutes=1)
    await harness.until("SELECT 1 FROM decisions WHERE data ->> 'timezone' = %s", REYKJAVIK)
    assert harness.inbox.messages == []
    await harness.skip(handle, hours=9)
    assert await handle.result() == "completed"
    assert opens + 9 * HOUR <= await sent_at(harness, "u1") < opens + 9 * HOUR + timedelta(minutes=1)
    made = [(outcome, data.get("timezone"), data.get("until")) for outcome, _, data in await decisions(harness, "u1")]
    assert made == [
        ("deferred", TOKYO, opens.astimezone(ZoneInfo(TOKYO)).isoformat()),
        ("deferred", REYKJAVIK, (opens + 9 * HOUR).isoformat().replace("+00:00", "Z")),
        ("granted", None, None),
    ]


async def test_the_zone_is_the_profiles_else_the_campaigns_else_the_deployments(
    database_url: str, temporal: TemporalServer
) -> None:
    async with open_harness(database_url, temporal, timezone="Asia/Kolkata") as harness:
        # Closed in all of the zones: the first to open is Tokyo, in twelve and a half hours.
        window, *_ = hours("Asia/Kolkata", 16 * HOUR, 17 * HOUR)
        closed = NUDGE.replace("WINDOW", window)
        await harness.run_campaign(closed)
        for user, traits in (("u1", {}), ("u2", {"timezone": TOKYO})):
            await enter(harness, user, **traits)
        zoned = f"timezone: {REYKJAVIK}\n" + closed.replace("key: nudge", "key: zoned").replace("Cart Ab", "Bag Ab")
        await harness.run_campaign(zoned)
        for user, traits in (("u3", {}), ("u4", {"timezone": TOKYO})):
            await harness.identify(user, email=f"{user}@example.com", **traits)
            await harness.track(user, "Bag Abandoned")
        await harness.decisions.until(4, kind="send")
        zones = {user: (await decisions(harness, user))[0][2]["timezone"] for user in ("u1", "u2", "u3", "u4")}
    assert zones == {"u1": "Asia/Kolkata", "u2": TOKYO, "u3": REYKJAVIK, "u4": TOKYO}


async def test_nobody_sleeps_for_a_window_that_opens_too_late(harness: Harness) -> None:
    window, *_ = hours("UTC", 3 * HOUR, 5 * HOUR)
    await harness.run_campaign(NUDGE.replace("WINDOW", window).replace("expires: 3d", "expires: 2h"))
    handle = await enter(harness, "u1")
    assert await handle.result() == "completed"
    assert (await harness.ended("u1"))["outcome"] == "completed"
    [(outcome, reason, _)] = await decisions(harness, "u1")
    assert (outcome, reason) == ("refused", "send_window")
    [refusal] = [item["summary"] for item in await harness.timeline("u1") if item["kind"] == "send"]
    assert refusal.startswith("nudge: refused: quiet hours: they end at ")
    assert ", and it expires at " in refusal


async def test_transactional_messages_go_at_night_and_urgent_ones_do_not(harness: Harness) -> None:
    window, *_ = hours("UTC", 3 * HOUR, 5 * HOUR)
    closed = NUDGE.replace("WINDOW", window)
    await harness.run_campaign(closed.replace("expires: 3d", "category: transactional"))
    urgent = closed.replace("key: nudge", "key: urgent").replace("Cart Abandoned", "Price Dropped")
    await harness.run_campaign(urgent.replace("expires: 3d", "priority: high"))
    assert await (await enter(harness, "u1")).result() == "completed"
    await harness.identify("u2", email="u2@example.com")
    await harness.track("u2", "Price Dropped")
    await harness.decisions.until(outcome="deferred")
    assert [mail.recipients for mail in harness.inbox.messages] == [("u1@example.com",)]


async def until_the_window_closes_on_a_message_that_was_granted(harness: Harness) -> tuple[Any, datetime]:
    """Granted half a minute before the window closes, to a provider that does not take it, whose attempts go on until
    it has closed. The journey, and when the window opens again: 23 hours later."""
    window, opens, closes = hours("UTC", HOUR, 2 * HOUR)
    delay = int((closes - now()).total_seconds()) - 30
    harness.inbox.greylist.add("u1@example.com")
    await harness.run_campaign(NUDGE.replace("WINDOW", window).replace("delay: 1s", f"delay: {delay}s"))
    handle = await enter(harness, "u1")
    await harness.skip(handle, seconds=delay)
    await harness.until_put_off()
    await harness.skip(handle, minutes=2)
    await harness.decisions.until(outcome="deferred")
    message = await harness.messages.one()
    assert (message["state"], message["reason"]) == ("cancelled", "send_window")
    assert message["at"] < closes
    return handle, opens + timedelta(days=1)


async def test_what_could_not_be_sent_before_the_window_closed_is_sent_when_it_opens(harness: Harness) -> None:
    handle, opens = await until_the_window_closes_on_a_message_that_was_granted(harness)
    assert (await harness.journeys.one())["state"] == "active"
    [postponed] = [item for item in await harness.timeline("u1") if item["kind"] == "message"]
    assert postponed["summary"] == "nudge: email note postponed: quiet hours began before it had gone"
    harness.inbox.greylist.clear()
    await harness.skip(handle, hours=23, minutes=1)
    assert await handle.result() == "completed"
    assert len(harness.inbox.messages) == 1
    message = await harness.messages.one()
    assert (message["state"], message["reason"]) == ("sent", None)
    assert opens <= message["at"] < opens + timedelta(minutes=1)
    assert message["attempts"] > 2
    assert [outcome for outcome, _, _ in await decisions(harness, "u1")] == ["granted", "deferred", "granted"]
    [granted, again] = await harness.query("SELECT answer FROM decisions WHERE outcome = 'granted'")
    assert granted == again
    assert [item["outcome"] for item in await harness.timeline("u1") if item["kind"] in ("send", "message", "end")] == [
        "granted",
        "deferred",
        "granted",
        "sent",
        "completed",
    ]


async def test_an_order_ends_a_journey_whose_message_was_postponed(harness: Harness) -> None:
    handle, _ = await until_the_window_closes_on_a_message_that_was_granted(harness)
    await harness.track("u1", "Order Completed")
    assert await handle.result() == "exited"
    harness.inbox.greylist.clear()
    assert (await harness.query("SELECT state, reason FROM messages")) == [
        {"state": "cancelled", "reason": "send_window"}
    ]
    assert harness.inbox.messages == []


async def test_no_message_outlives_a_schedule_that_ends_for_those_inside(harness: Harness) -> None:
    """The provider is away until after its end."""
    ends_at = now() + timedelta(seconds=90)
    schedule = f"schedule: {{ends_at: {ends_at.isoformat()}, at_end: exit}}"
    harness.inbox.greylist.add("u1@example.com")
    await harness.run_campaign(NUDGE.replace("send_window: WINDOW", schedule))
    handle = await enter(harness, "u1")
    [message] = await harness.until("SELECT expires_at FROM messages WHERE attempts > 0")
    assert message["expires_at"] == ends_at
    await harness.skip(handle, minutes=3)
    await harness.messages.until(state="cancelled")
    harness.inbox.greylist.clear()
    await handle.result()
    assert (await harness.query("SELECT state, reason FROM messages")) == [{"state": "cancelled", "reason": "expired"}]
    assert harness.inbox.messages == []
