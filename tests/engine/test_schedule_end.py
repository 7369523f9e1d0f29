"""A campaign whose schedule ends for those inside, too."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.engine.campaigns import CART, REACTION
from tests.harness import Harness, actions, now

HOUR = timedelta(hours=1)


def ending(at: datetime) -> str:
    return CART.replace("entry:", f'schedule: {{ends_at: "{at.isoformat()}", at_end: exit}}\nentry:')


async def enter(harness: Harness, ends_at: datetime) -> Any:
    await harness.run_campaign(ending(ends_at))
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    return await harness.journey("u1", "cart")


async def waiting(harness: Harness) -> Any:
    """In the delay of 30 minutes."""
    return await enter(harness, now() + HOUR / 4)


async def listening(harness: Harness) -> Any:
    """Waiting for a click, for two days."""
    ends_at = f'schedule: {{ends_at: "{(now() + HOUR).isoformat()}", at_end: exit}}'
    await harness.run_campaign(REACTION.replace("entry:", f"{ends_at}\nentry:"))
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")
    handle = await harness.journey("u1")
    await harness.rests(handle, "clicked")
    return handle


async def held(harness: Harness) -> Any:
    """The campaign is paused, and not resumed."""
    handle = await enter(harness, now() + HOUR)
    await harness.admin("POST", "/v1/campaigns/cart/pause")
    await harness.skip(handle, minutes=30)
    await harness.rests(handle, "nudge")
    return handle


@pytest.mark.parametrize("state", [waiting, listening, held], ids=lambda state: state.__name__)
async def test_the_end_of_the_schedule_ends_a_journey_that_is(
    harness: Harness, state: Callable[[Harness], Awaitable[Any]]
) -> None:
    handle = await state(harness)
    before = len(harness.inbox.messages)
    [row] = await harness.query("SELECT plan ->> 'ends_at' AS ends_at FROM campaign_versions")
    await harness.skip(handle, hours=2)
    assert await handle.result() == "schedule-ended"
    journey = await harness.ended("u1")
    assert (journey["state"], journey["outcome"]) == ("completed", "schedule-ended")
    assert timedelta(0) <= journey["ended_at"] - datetime.fromisoformat(row["ends_at"]) < timedelta(minutes=1)
    assert len(harness.inbox.messages) == before
    assert (await harness.timeline("u1"))[-1]["summary"] == f"{journey['campaign_key']} is over: schedule-ended"


async def test_nothing_is_sent_after_the_end_and_what_was_reserved_is_free_again(harness: Harness) -> None:
    """The provider is away from before the end until after it."""
    harness.inbox.greylist.add("u1@example.com")
    handle = await enter(harness, now() + HOUR)
    await harness.skip(handle, minutes=30)
    await harness.until_put_off()
    await harness.skip(handle, hours=1)
    harness.inbox.greylist.clear()
    assert await handle.result() == "completed"
    assert await harness.query("SELECT state, reason FROM messages") == [{"state": "cancelled", "reason": "expired"}]
    assert harness.inbox.messages == []


async def test_a_journey_that_is_over_before_knows_nothing_of_it_and_costs_no_more(harness: Harness) -> None:
    handle = await enter(harness, now() + 2 * HOUR)
    await harness.skip(handle, minutes=30)
    assert await handle.result() == "completed"
    assert len(harness.inbox.messages) == 1
    assert actions(await handle.fetch_history()) == 4


async def test_ending_with_the_schedule_costs_the_record_of_it(harness: Harness) -> None:
    handle = await waiting(harness)
    await harness.skip(handle, minutes=15)
    assert await handle.result() == "schedule-ended"
    # Start, the timer that ends early, the record of the end, and the search attribute that says how it ended.
    assert actions(await handle.fetch_history()) == 4
