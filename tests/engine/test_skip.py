"""Journeys that are to wait no longer."""

from typing import Any

from store import outbox
from store.outbox import OutboxMessage
from tests.engine.campaigns import CART, GREETING, REACTION, REMINDERS
from tests.harness import Harness


async def skip(harness: Harness, handle: Any, step: str) -> None:
    """As the use case tells a journey, by way of the outbox."""
    async with harness.database.transaction() as connection:
        await outbox.append(connection, [OutboxMessage(handle.id, "skip", {"step": step})])
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox)")


async def enter(harness: Harness, source: str, event: str, **properties: Any) -> Any:
    await harness.run_campaign(source)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", event, properties)
    return await harness.journey("u1")


async def test_a_delay_is_over_at_once(harness: Harness) -> None:
    handle = await enter(harness, CART, "Cart Abandoned", value=120, cart_id="c1")
    await skip(harness, handle, "cool-off")
    assert await handle.result() == "completed"
    assert len(harness.inbox.messages) == 1


async def test_a_delay_until_a_local_time_is_not_looked_up_again(harness: Harness) -> None:
    handle = await enter(harness, GREETING.replace("DELAY", "{date: \"'2100-01-01'\"}"), "Signed Up")
    await harness.rests(handle, "rest")
    await skip(harness, handle, "rest")
    assert await handle.result() == "completed"
    assert len(harness.inbox.messages) == 1
    assert len(await harness.decisions.all(kind="delay")) == 1


async def test_a_wait_goes_on_as_if_it_had_timed_out(harness: Harness) -> None:
    handle = await enter(harness, REACTION, "Signed Up")
    await harness.rests(handle, "clicked")
    await skip(harness, handle, "clicked")
    await harness.rests(handle, "single")
    assert await harness.query("SELECT step, status FROM journeys") == [{"step": "single", "status": "waiting"}]


async def test_the_next_round_begins_at_once(harness: Harness) -> None:
    handle = await enter(harness, REMINDERS.replace("UNTIL", "times: 2"), "Invoice Due", invoice="i1")
    await harness.rests(handle, "remind")
    await skip(harness, handle, "remind")
    assert await handle.result() == "completed"
    assert len(harness.inbox.messages) == 2


async def test_another_step_is_let_be_and_a_held_message_as_well(harness: Harness) -> None:
    handle = await enter(harness, CART, "Cart Abandoned", value=120, cart_id="c1")
    await harness.admin("POST", "/v1/campaigns/cart/pause")
    await skip(harness, handle, "nudge")
    await harness.rests(handle, "cool-off")
    await harness.skip(handle, minutes=30)
    await harness.rests(handle, "nudge")
    await skip(harness, handle, "nudge")
    await harness.rests(handle, "nudge")
    assert await harness.query("SELECT step, status FROM journeys") == [{"step": "nudge", "status": "held"}]
    assert harness.inbox.messages == []
