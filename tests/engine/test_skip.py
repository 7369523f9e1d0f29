"""Journeys that are to wait no longer."""

from typing import Any

from store import outbox
from store.outbox import OutboxMessage
from tests.engine.campaigns import CART, GREETING, REACTION, REMINDERS
from tests.harness import Rig


async def skip(rig: Rig, handle: Any, step: str) -> None:
    """As the use case tells a journey, by way of the outbox."""
    async with rig.database.transaction() as connection:
        await outbox.append(connection, [OutboxMessage(handle.id, "skip", {"step": step})])
    await rig.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox)")


async def enter(rig: Rig, source: str, event: str, **properties: Any) -> Any:
    await rig.run_campaign(source)
    await rig.identify("u1", email="u1@example.com")
    await rig.track("u1", event, properties)
    return await rig.journey("u1")


async def test_a_delay_is_over_at_once(rig: Rig) -> None:
    handle = await enter(rig, CART, "Cart Abandoned", value=120, cart_id="c1")
    await skip(rig, handle, "cool-off")
    assert await handle.result() == "completed"
    assert len(rig.inbox.messages) == 1


async def test_a_delay_until_a_local_time_is_not_looked_up_again(rig: Rig) -> None:
    handle = await enter(rig, GREETING.replace("DELAY", "{date: \"'2100-01-01'\"}"), "Signed Up")
    await rig.rests(handle, "rest")
    await skip(rig, handle, "rest")
    assert await handle.result() == "completed"
    assert len(rig.inbox.messages) == 1
    assert len(await rig.query("SELECT 1 FROM decisions WHERE kind = 'delay'")) == 1


async def test_a_wait_goes_on_as_if_it_had_timed_out(rig: Rig) -> None:
    handle = await enter(rig, REACTION, "Signed Up")
    await rig.rests(handle, "clicked")
    await skip(rig, handle, "clicked")
    await rig.rests(handle, "single")
    assert await rig.query("SELECT step, status FROM journeys") == [{"step": "single", "status": "waiting"}]


async def test_the_next_round_begins_at_once(rig: Rig) -> None:
    handle = await enter(rig, REMINDERS.replace("UNTIL", "times: 2"), "Invoice Due", invoice="i1")
    await rig.rests(handle, "remind")
    await skip(rig, handle, "remind")
    assert await handle.result() == "completed"
    assert len(rig.inbox.messages) == 2


async def test_another_step_is_let_be_and_a_held_message_as_well(rig: Rig) -> None:
    handle = await enter(rig, CART, "Cart Abandoned", value=120, cart_id="c1")
    await rig.admin("POST", "/v1/campaigns/cart/pause")
    await skip(rig, handle, "nudge")
    await rig.rests(handle, "cool-off")
    await rig.skip(handle, minutes=30)
    await rig.rests(handle, "nudge")
    await skip(rig, handle, "nudge")
    await rig.rests(handle, "nudge")
    assert await rig.query("SELECT step, status FROM journeys") == [{"step": "nudge", "status": "held"}]
    assert rig.inbox.messages == []
