"""What becomes of the messages that a pause has held up."""

from typing import Any

import pytest

from tests.engine.campaigns import CART
from tests.harness import Harness


async def held(harness: Harness, on_resume: str, expires: str = "1h") -> Any:
    """A journey whose message has been held for two hours."""
    source = CART.replace("expires: 5d", f"expires: {expires}").replace("steps:", f"on_resume: {on_resume}\nsteps:")
    await harness.run_campaign(source)
    await harness.admin("POST", "/v1/campaigns/cart/pause")
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    handle = await harness.journey("u1", "cart")
    await harness.skip(handle, minutes=30)
    await harness.rests(handle, "nudge")
    await harness.skip(handle, hours=2)
    return handle


async def reasons(harness: Harness) -> list[str]:
    return [item["reason"] for item in await harness.timeline("u1") if item["kind"] == "send" and item["reason"]]


@pytest.mark.parametrize(
    ("on_resume", "expires", "sent", "why"),
    [
        ("send", "1h", 0, ["campaign_paused", "expired"]),
        ("send", "5d", 1, ["campaign_paused"]),
        ("{rate: 1}", "5d", 1, ["campaign_paused"]),
        ("skip", "5d", 0, ["campaign_paused", "paused"]),
        ("{overdue: skip}", "1h", 0, ["campaign_paused", "paused"]),
        ("retime", "1h", 1, ["campaign_paused"]),
    ],
)
async def test_a_held_message(harness: Harness, on_resume: str, expires: str, sent: int, why: list[str]) -> None:
    handle = await held(harness, on_resume, expires)
    await harness.admin("POST", "/v1/campaigns/cart/resume")
    assert await handle.result() == "completed"
    assert len(harness.inbox.messages) == sent
    assert await reasons(harness) == why


async def test_the_timeline_says_that_a_message_was_skipped_and_since_when_it_was_held(harness: Harness) -> None:
    handle = await held(harness, "skip")
    await harness.admin("POST", "/v1/campaigns/cart/resume")
    await handle.result()
    was_held, skipped = [item for item in await harness.timeline("u1") if item["kind"] == "send"]
    assert skipped["data"]["held_at"] == was_held["at"]
    assert skipped["summary"].startswith("nudge: refused: held by a pause at 20")
    assert skipped["summary"].endswith(", and skipped on resuming")


async def test_a_message_that_no_pause_has_held_goes_also_where_those_are_skipped(harness: Harness) -> None:
    await harness.run_campaign(CART.replace("steps:", "on_resume: skip\nsteps:"))
    await harness.identify("u1", email="u1@example.com")
    await harness.admin("POST", "/v1/campaigns/cart/pause")
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    handle = await harness.journey("u1", "cart")
    await harness.admin("POST", "/v1/campaigns/cart/resume")
    await harness.skip(handle, minutes=30)
    assert await handle.result() == "completed"
    assert len(harness.inbox.messages) == 1


async def test_a_message_is_held_again_where_the_campaign_is_paused_again(harness: Harness) -> None:
    handle = await held(harness, "skip")
    # Told to go on, and paused still: as if it had been paused again before the gate was asked.
    await handle.signal("resume")
    await harness.decisions.until(2, outcome="held")
    await harness.rests(handle, "nudge")
    await harness.admin("POST", "/v1/campaigns/cart/resume")
    assert await handle.result() == "completed"
    assert await reasons(harness) == ["campaign_paused", "campaign_paused", "paused"]
