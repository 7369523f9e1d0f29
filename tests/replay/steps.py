"""Journeys that wait, decide, repeat and set values."""

import asyncio
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from temporalio.client import WorkflowHandle

from tests.engine.campaigns import GREETING, LOYALTY, REACTION, REMINDERS, RESTS, TRIAL
from tests.harness import Harness, now

Journey = WorkflowHandle[Any, Any]


async def _signed_up(harness: Harness, **traits: str) -> Journey:
    await harness.run_campaign(REACTION)
    await harness.identify("u1", email="u1@example.com", **traits)
    await harness.track("u1", "Signed Up")
    await harness.messages.until(state="sent")
    return await harness.journey("u1")


async def engaged(harness: Harness) -> Journey:
    handle = await _signed_up(harness)
    await harness.track("u1", "Link Clicked", {"kind": "good"})
    return handle


async def timed_out_to_a_case(harness: Harness) -> Journey:
    handle = await _signed_up(harness, plan="team")
    await harness.skip(handle, days=3)
    return handle


async def timed_out_to_otherwise(harness: Harness) -> Journey:
    handle = await _signed_up(harness)
    await harness.skip(handle, days=3)
    return handle


async def _greeted(harness: Harness, delay: str, **traits: str) -> Journey:
    await harness.run_campaign(GREETING.replace("DELAY", delay))
    await harness.identify("u1", email="u1@example.com", **traits)
    await harness.track("u1", "Signed Up")
    return await harness.journey("u1")


def _in_three_hours(zone: str) -> str:
    """What the clocks of a zone show then."""
    return f"{(now() + timedelta(hours=3)).astimezone(ZoneInfo(zone)):%H:%M}"


async def until_a_time(harness: Harness) -> Journey:
    handle = await _greeted(harness, f'{{until: "{_in_three_hours("Asia/Tokyo")}"}}', timezone="Asia/Tokyo")
    await harness.skip(handle, hours=3)
    return handle


async def moved_during_the_delay(harness: Harness) -> Journey:
    """To where it is nine hours earlier: it rests twice."""
    handle = await _greeted(harness, f'{{until: "{_in_three_hours("Asia/Tokyo")}"}}', timezone="Asia/Tokyo")
    await harness.rests(handle, "rest")
    await harness.identify("u1", timezone="Atlantic/Reykjavik")
    await harness.skip(handle, hours=13)
    return handle


async def date_past(harness: Harness) -> Journey:
    return await _greeted(harness, "{date: profile.traits.due, if_past: skip_next}", due="2020-02-20")


async def random_delay(harness: Harness) -> Journey:
    handle = await _greeted(harness, "{for: 1h..3h}")
    await harness.skip(handle, hours=3)
    return handle


async def split(harness: Harness) -> Journey:
    await harness.run_campaign(TRIAL)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Trial Started")
    handle = await harness.journey("u1")
    await harness.skip(handle, hours=3)
    return handle


async def _reminded(harness: Harness, until: str) -> Journey:
    await harness.run_campaign(REMINDERS.replace("UNTIL", until))
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Invoice Due", {"invoice": "i1"})
    handle = await harness.journey("u1")
    await harness.rests(handle, "remind")
    return handle


async def repeated_twice(harness: Harness) -> Journey:
    handle = await _reminded(harness, "times: 2")
    await harness.skip(handle, days=1)
    return handle


async def repeated_until_an_event(harness: Harness) -> Journey:
    handle = await _reminded(harness, "until: {event: Invoice Paid}")
    await harness.skip(handle, days=1, hours=1)
    await harness.track("u1", "Invoice Paid")
    return handle


async def repeated_until_a_condition(harness: Harness) -> Journey:
    handle = await _reminded(harness, "until: {when: profile.traits.paid == true}")
    await harness.identify("u1", paid=True)
    await harness.skip(handle, days=1)
    return handle


async def ended_by_an_event_while_the_send_is_retried(harness: Harness) -> Journey:
    """The message goes, and the repetition is over after it."""
    harness.inbox.greylist.add("u1@example.com")
    await harness.run_campaign(REMINDERS.replace("UNTIL", "until: {event: Invoice Paid}"))
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Invoice Due", {"invoice": "i1"})
    handle = await harness.journey("u1")
    await harness.until_put_off()
    await harness.track("u1", "Invoice Paid")
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox)")
    harness.inbox.greylist.clear()
    return handle


async def repeated_over_runs(harness: Harness) -> Journey:
    """Its last run: that starts within a repetition."""
    handle = await _reminded(harness, "times: 12")
    first = (await handle.describe()).run_id
    await harness.skip(handle, days=12)
    assert (await handle.describe()).run_id != first
    return handle


async def did_things(harness: Harness) -> Journey:
    await harness.run_campaign(LOYALTY)
    await harness.identify("u1", points=10)
    await harness.track("u1", "Order Completed", {"value": 42})
    return await harness.journey("u1")


async def continued_as_new(harness: Harness) -> Journey:
    """Its last run: that starts with a state."""
    handle = await _signed_up(harness)
    first = (await handle.describe()).run_id
    while (await handle.describe()).run_id == first:
        await asyncio.gather(*(handle.signal("resume") for _ in range(20)))
    await harness.track("u1", "Link Clicked", {"kind": "good"})
    return handle


async def _rests(harness: Harness) -> Journey:
    await harness.run_campaign(RESTS)
    await harness.track("u1", "Signed Up")
    handle = await harness.journey("u1")
    for hours, step in ((1, "second"), (2, "heard")):
        await harness.skip(handle, hours=hours)
        await harness.rests(handle, step)
    return handle


async def rested_again_and_again(harness: Harness) -> Journey:
    """What no activity knows of, the row is told of."""
    handle = await _rests(harness)
    await harness.track("u1", "Link Clicked")
    await harness.rests(handle, "third")
    await harness.skip(handle, hours=3)
    return handle


async def skipped_its_waits(harness: Harness) -> Journey:
    handle = await _rests(harness)
    await handle.signal("skip", "heard")
    await harness.rests(handle, "third")
    await handle.signal("skip", "third")
    return handle


async def rested_over_runs(harness: Harness) -> Journey:
    """Its last run: that starts with what its row says."""
    handle = await _rests(harness)
    first = (await handle.describe()).run_id
    while (await handle.describe()).run_id == first:
        await asyncio.gather(*(handle.signal("resume") for _ in range(20)))
    await handle.signal("skip", "heard")
    await harness.rests(handle, "third")
    await harness.skip(handle, hours=3)
    return handle
