"""What becomes of the messages that a pause has held up."""

from typing import Any

import pytest

from tests.engine.campaigns import CART
from tests.harness import Rig


async def held(rig: Rig, on_resume: str, expires: str = "1h") -> Any:
    """A journey whose message has been held for two hours."""
    source = CART.replace("expires: 5d", f"expires: {expires}").replace("steps:", f"on_resume: {on_resume}\nsteps:")
    await rig.run_campaign(source)
    await rig.admin("POST", "/v1/campaigns/cart/pause")
    await rig.identify("u1", email="u1@example.com")
    await rig.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    handle = await rig.journey("u1", "cart")
    await rig.skip(handle, minutes=30)
    await rig.rests(handle, "nudge")
    await rig.skip(handle, hours=2)
    return handle


async def reasons(rig: Rig) -> list[str]:
    return [item["reason"] for item in await rig.timeline("u1") if item["kind"] == "send" and item["reason"]]


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
async def test_a_held_message(rig: Rig, on_resume: str, expires: str, sent: int, why: list[str]) -> None:
    handle = await held(rig, on_resume, expires)
    await rig.admin("POST", "/v1/campaigns/cart/resume")
    assert await handle.result() == "completed"
    assert len(rig.inbox.messages) == sent
    assert await reasons(rig) == why


async def test_the_timeline_says_that_a_message_was_skipped_and_since_when_it_was_held(rig: Rig) -> None:
    handle = await held(rig, "skip")
    await rig.admin("POST", "/v1/campaigns/cart/resume")
    await handle.result()
    was_held, skipped = [item for item in await rig.timeline("u1") if item["kind"] == "send"]
    assert skipped["data"]["held_at"] == was_held["at"]
    assert skipped["summary"].startswith("nudge: refused: held by a pause at 20")
    assert skipped["summary"].endswith(", and skipped on resuming")


async def test_a_message_that_no_pause_has_held_goes_also_where_those_are_skipped(rig: Rig) -> None:
    await rig.run_campaign(CART.replace("steps:", "on_resume: skip\nsteps:"))
    await rig.identify("u1", email="u1@example.com")
    await rig.admin("POST", "/v1/campaigns/cart/pause")
    await rig.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    handle = await rig.journey("u1", "cart")
    await rig.admin("POST", "/v1/campaigns/cart/resume")
    await rig.skip(handle, minutes=30)
    assert await handle.result() == "completed"
    assert len(rig.inbox.messages) == 1


async def test_a_message_is_held_again_where_the_campaign_is_paused_again(rig: Rig) -> None:
    handle = await held(rig, "skip")
    # Told to go on, and paused still: as if it had been paused again before the gate was asked.
    await handle.signal("resume")
    await rig.until("SELECT 1 FROM decisions WHERE outcome = 'held' HAVING count(*) = 2")
    await rig.rests(handle, "nudge")
    await rig.admin("POST", "/v1/campaigns/cart/resume")
    assert await handle.result() == "completed"
    assert await reasons(rig) == ["campaign_paused", "campaign_paused", "paused"]
