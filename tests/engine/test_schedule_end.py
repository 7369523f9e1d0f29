"""A campaign whose schedule ends for those inside, too."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.engine.campaigns import CART, REACTION
from tests.harness import Rig, actions, now

HOUR = timedelta(hours=1)


def ending(at: datetime) -> str:
    return CART.replace("entry:", f'schedule: {{ends_at: "{at.isoformat()}", at_end: exit}}\nentry:')


async def enter(rig: Rig, ends_at: datetime) -> Any:
    await rig.run_campaign(ending(ends_at))
    await rig.identify("u1", email="u1@example.com")
    await rig.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    return await rig.journey("u1", "cart")


async def waiting(rig: Rig) -> Any:
    """In the delay of 30 minutes."""
    return await enter(rig, now() + HOUR / 4)


async def listening(rig: Rig) -> Any:
    """Waiting for a click, for two days."""
    ends_at = f'schedule: {{ends_at: "{(now() + HOUR).isoformat()}", at_end: exit}}'
    await rig.run_campaign(REACTION.replace("entry:", f"{ends_at}\nentry:"))
    await rig.identify("u1", email="u1@example.com")
    await rig.track("u1", "Signed Up")
    handle = await rig.journey("u1")
    await rig.rests(handle, "clicked")
    return handle


async def held(rig: Rig) -> Any:
    """The campaign is paused, and not resumed."""
    handle = await enter(rig, now() + HOUR)
    await rig.admin("POST", "/v1/campaigns/cart/pause")
    await rig.skip(handle, minutes=30)
    await rig.rests(handle, "nudge")
    return handle


@pytest.mark.parametrize("state", [waiting, listening, held], ids=lambda state: state.__name__)
async def test_the_end_of_the_schedule_ends_a_journey_that_is(rig: Rig, state: Callable[[Rig], Awaitable[Any]]) -> None:
    handle = await state(rig)
    before = len(rig.inbox.messages)
    [row] = await rig.query("SELECT plan ->> 'ends_at' AS ends_at FROM campaign_versions")
    await rig.skip(handle, hours=2)
    assert await handle.result() == "schedule-ended"
    journey = await rig.ended("u1")
    assert (journey["state"], journey["outcome"]) == ("completed", "schedule-ended")
    assert timedelta(0) <= journey["ended_at"] - datetime.fromisoformat(row["ends_at"]) < timedelta(minutes=1)
    assert len(rig.inbox.messages) == before
    assert (await rig.timeline("u1"))[-1]["summary"] == f"{journey['campaign_key']} is over: schedule-ended"


async def test_nothing_is_sent_after_the_end_and_what_was_reserved_is_free_again(rig: Rig) -> None:
    """The provider is away from before the end until after it."""
    rig.inbox.greylist.add("u1@example.com")
    handle = await enter(rig, now() + HOUR)
    await rig.skip(handle, minutes=30)
    await rig.until("SELECT 1 FROM messages WHERE attempts > 0 AND state = 'reserved'")
    await rig.skip(handle, hours=1)
    rig.inbox.greylist.clear()
    assert await handle.result() == "completed"
    assert await rig.query("SELECT state, reason FROM messages") == [{"state": "cancelled", "reason": "expired"}]
    assert rig.inbox.messages == []


async def test_a_journey_that_is_over_before_knows_nothing_of_it_and_costs_no_more(rig: Rig) -> None:
    handle = await enter(rig, now() + 2 * HOUR)
    await rig.skip(handle, minutes=30)
    assert await handle.result() == "completed"
    assert len(rig.inbox.messages) == 1
    assert actions(await handle.fetch_history()) == 4


async def test_ending_with_the_schedule_costs_the_record_of_it(rig: Rig) -> None:
    handle = await waiting(rig)
    await rig.skip(handle, minutes=15)
    assert await handle.result() == "schedule-ended"
    # Start, the timer that ends early, and the record of the end.
    assert actions(await handle.fetch_history()) == 3
