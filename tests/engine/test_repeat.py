"""Repetitions: rounds, the rest between them, and what ends them."""

from datetime import timedelta
from typing import Any

from tests.engine.campaigns import REMINDERS
from tests.harness import Harness, actions

PAID = "until: {event: Invoice Paid, where: event.properties.invoice == entry.properties.invoice}"


async def enter(harness: Harness, until: str, user: str = "u1", **traits: Any) -> Any:
    await harness.run_campaign(REMINDERS.replace("UNTIL", until))
    await harness.identify(user, email=f"{user}@example.com", **traits)
    await harness.track(user, "Invoice Due", {"invoice": "i1"})
    return await harness.journey(user)


async def mailed(harness: Harness, handle: Any, number: int, rests: str = "remind") -> None:
    """So many have been sent, and the journey rests until the next."""
    await harness.messages.until(number, state="sent")
    await harness.rests(handle, rests)


async def pay(harness: Harness, invoice: str = "i1") -> None:
    await harness.track("u1", "Invoice Paid", {"invoice": invoice})


async def test_a_number_of_rounds_with_a_rest_between_them(harness: Harness) -> None:
    handle = await enter(harness, "times: 3")
    await mailed(harness, handle, 1)
    await harness.skip(handle, days=1)
    await mailed(harness, handle, 2)
    await harness.skip(handle, days=1)
    assert await handle.result() == "completed"
    rows = await harness.query("SELECT step, visit, at - min(at) OVER () AS after FROM messages ORDER BY at")
    assert [(row["step"], row["visit"]) for row in rows] == [("mail", 1), ("mail", 2), ("mail", 3)]
    assert [round(row["after"] / timedelta(days=1), 2) for row in rows] == [0, 1, 2]
    assert (await harness.timeline("u1"))[-1]["summary"] == "reminders is over: completed"
    # Start, six for three messages, two timers, the search attributes of the first rest, and the stage with the end.
    assert actions(await handle.fetch_history()) == 11


async def test_an_event_ends_it_at_once_while_it_rests(harness: Harness) -> None:
    handle = await enter(harness, PAID)
    await mailed(harness, handle, 1)
    await harness.skip(handle, days=1)
    await mailed(harness, handle, 2)
    await pay(harness, "another")
    await harness.skip(handle, hours=22)
    await pay(harness)
    assert await handle.result() == "completed"
    assert len(harness.inbox.messages) == 2
    assert await harness.query("SELECT stage FROM profiles") == [{"stage": "reminded"}]
    ended = await harness.ended("u1")
    assert timedelta(days=1, hours=22) <= ended["ended_at"] - ended["entered_at"] < timedelta(days=2)


async def test_an_event_that_comes_while_the_message_is_being_sent_lets_it_go_and_ends_the_rest(
    harness: Harness,
) -> None:
    harness.inbox.greylist.add("u1@example.com")
    handle = await enter(harness, PAID)
    await harness.until_put_off()
    await pay(harness)
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox)")
    assert (await harness.journeys.one())["state"] == "active"
    harness.inbox.greylist.clear()
    assert await handle.result() == "completed"
    assert len(harness.inbox.messages) == 1
    assert await harness.query("SELECT stage FROM profiles") == [{"stage": "reminded"}]


async def test_an_exit_ends_it_also_while_it_rests(harness: Harness) -> None:
    handle = await enter(harness, PAID)
    await mailed(harness, handle, 1)
    await harness.track("u1", "Account Closed")
    assert await handle.result() == "exited"
    assert await harness.query("SELECT stage FROM profiles") == [{"stage": None}]


async def test_a_condition_is_judged_before_each_round(harness: Harness) -> None:
    handle = await enter(harness, "until: {when: profile.traits.paid == true}")
    await mailed(harness, handle, 1)
    await harness.skip(handle, days=1)
    await mailed(harness, handle, 2)
    await harness.identify("u1", paid=True)
    await harness.skip(handle, days=1)
    assert await handle.result() == "completed"
    assert len(harness.inbox.messages) == 2
    judged = [item["summary"] for item in await harness.timeline("u1") if item["kind"] == "repeat"]
    assert judged == [
        "remind: another round",
        "remind: another round",
        "remind: over, as profile.traits.paid == true",
    ]
    # Judged, and if there is another round the gate asked as well, for one action.
    assert actions(await handle.fetch_history()) == 1 + 3 + 2 + 2 + 1 + 1


async def test_a_condition_that_holds_lets_no_round_begin(harness: Harness) -> None:
    handle = await enter(harness, "until: {when: profile.traits.paid == true}, times: 3", paid=True)
    assert await handle.result() == "completed"
    assert harness.inbox.messages == []


async def test_the_last_message_of_the_last_round_ends_the_journey(harness: Harness) -> None:
    await harness.run_campaign(
        REMINDERS.replace("UNTIL", "times: 2").replace("  - {id: done, set_stage: reminded}\n", "")
    )
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Invoice Due", {"invoice": "i1"})
    handle = await harness.journey("u1")
    await mailed(harness, handle, 1)
    await harness.skip(handle, days=1)
    assert await handle.result() == "completed"
    # Start, four for two messages, one timer and its search attributes: the end costs nothing of its own.
    assert actions(await handle.fetch_history()) == 7


NESTED = """
key: nested
name: Nested
entry: {event: Started}
steps:
  - id: weekly
    repeat: {every: 7d, times: 2, until: {event: Unsubscribed}}
    do:
      - id: daily
        repeat: {every: 1d, times: 3, until: {event: Opened}}
        do: [{id: mail, send: {channel: email, template: note}}]
      - {id: count, update_profile: {weeks: {cel: journey.steps.count}}}
"""


async def test_an_event_ends_the_repetition_that_listens_for_it(harness: Harness) -> None:
    await harness.run_campaign(NESTED)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Started")
    handle = await harness.journey("u1")
    await mailed(harness, handle, 1, "daily")
    await harness.track("u1", "Opened")
    await harness.rests(handle, "weekly")
    await harness.skip(handle, days=7)
    await mailed(harness, handle, 2, "daily")
    await harness.skip(handle, days=1)
    await mailed(harness, handle, 3, "daily")
    await harness.track("u1", "Unsubscribed")
    assert await handle.result() == "completed"
    assert len(harness.inbox.messages) == 3
    assert await harness.query("SELECT traits ->> 'weeks' AS weeks FROM profiles") == [{"weeks": "1"}]
