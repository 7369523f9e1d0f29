"""Campaigns and audiences, and journeys that their life ends or moves."""

from datetime import timedelta
from typing import Any

from temporalio.client import ScheduleActionExecutionStartWorkflow, WorkflowHandle

from tests.engine.campaigns import CART
from tests.harness import Harness, now
from tests.replay.sends import leave_cart

Journey = WorkflowHandle[Any, Any]

LETTER = """
key: letter
name: Letter
entry: {audience: {where: profile.user_id != "", again: {every: week, days: [mon], at: "09:00"}}}
steps:
  - {id: mail, send: {channel: email, template: note}}
"""


async def _ending_in_an_hour(harness: Harness, delay: str) -> Journey:
    schedule = f'schedule: {{ends_at: "{(now() + timedelta(hours=1)).isoformat()}", at_end: exit}}'
    await harness.run_campaign(CART.replace("30m", delay).replace("entry:", f"{schedule}\nentry:"))
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    return await harness.journey("u1")


async def schedule_ended(harness: Harness) -> Journey:
    handle = await _ending_in_an_hour(harness, "3h")
    await harness.skip(handle, hours=2)
    return handle


async def schedule_ended_while_held(harness: Harness) -> Journey:
    handle = await _ending_in_an_hour(harness, "30m")
    await harness.admin("POST", "/v1/campaigns/cart/pause")
    await harness.skip(handle, minutes=30)
    await harness.rests(handle, "nudge")
    await harness.skip(handle, hours=1)
    return handle


async def _another_version(harness: Harness, source: str) -> None:
    """Have the journey of `cart` move to a version of this source, if it can."""
    await harness.publish(source)
    await harness.admin("POST", "/v1/campaigns/cart/start", {"in_flight": "migrate"})


async def moved_to_another_version(harness: Harness) -> Journey:
    """In its delay, and on to a step that the first version did not have."""
    handle = await leave_cart(harness)
    await harness.rests(handle, "cool-off")
    await _another_version(harness, CART.replace("  - {id: nudge", "  - {id: tag, set_stage: warned}\n  - {id: nudge"))
    await harness.journeys.until(campaign_version=2)
    await harness.skip(handle, minutes=30)
    return handle


async def stayed_on_its_version(harness: Harness) -> Journey:
    """It was to move once its message had gone, and came to rest at a step that the other version does not have."""
    harness.inbox.greylist.add("u1@example.com")
    await harness.run_campaign(f"{CART}  - {{id: pause, delay: 1h}}\n")
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    handle = await harness.journey("u1", "cart")
    await harness.skip(handle, minutes=30)
    await harness.until_put_off()
    await _another_version(harness, CART)
    await harness.until("SELECT 1 FROM operations WHERE counts ? 'waiting'")
    harness.inbox.greylist.clear()
    await harness.rests(handle, "pause")
    await harness.skip(handle, hours=1)
    return handle


async def campaign_lived(harness: Harness) -> Journey:
    """The workflow of a campaign itself: started, paused, resumed and stopped with everybody in it."""
    handle = await leave_cart(harness)
    for move in ("pause", "resume"):
        await harness.admin("POST", f"/v1/campaigns/cart/{move}")
    await harness.until("SELECT 1 FROM operations WHERE kind = 'resume' AND state = 'done'")
    await harness.admin("POST", "/v1/campaigns/cart/stop", {"mode": "exit"})
    await handle.result()
    return harness.temporal.get_workflow_handle("campaign/cart")


async def audience_came_round(harness: Harness) -> Journey:
    """What the schedule of an audience starts."""
    await harness.run_campaign(LETTER)
    schedule = await harness.schedule("letter")
    await schedule.trigger()
    await harness.until("SELECT 1 FROM operations WHERE kind = 'enrol' AND state = 'done'")
    [action] = (await schedule.describe()).info.recent_actions
    started = action.action
    assert isinstance(started, ScheduleActionExecutionStartWorkflow)
    return harness.temporal.get_workflow_handle(started.workflow_id)
