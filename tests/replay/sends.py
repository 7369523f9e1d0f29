"""Journeys whose messages go, wait, or do not go."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from temporalio.client import WorkflowHandle

from domain.journey.records import retry_workflow_id
from tests.channels.servers import Receiver, answer, listening
from tests.engine.campaigns import CART, ONE_A_DAY, PROMOTION
from tests.harness import MAIL, Harness, now

Journey = WorkflowHandle[Any, Any]

INVITE = """
key: invite
name: Invite
entry: {event: Account Created, account: true}
steps:
  - {id: tell, send: {channel: email, template: note, to: {role: admin}}}
  - {id: rest, delay: 1h}
"""


CHOICE = """
key: choice
name: Choice
entry: {event: Signed Up}
steps:
  - {id: nudge, send: {channel: [webhook, email], template: note, fallback: {after: 6h, unless: opened}}}
"""
HOOK = "---\nchannel: webhook\nurl: http://127.0.0.1:PORT/push\n---\nuser: '{{ profile.user_id }}'\n"


async def leave_cart(harness: Harness) -> Journey:
    await harness.run_campaign(CART)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    return await harness.journey("u1", "cart")


async def complete_order(harness: Harness) -> None:
    await harness.track("u1", "Order Completed", {"cart_id": "c1"})


async def set_pace(harness: Harness) -> None:
    """Send mails by a provider with a queue of its own."""
    relay = f"{{kind: smtp, channel: email, host: 127.0.0.1, port: {harness.inbox.smtp_port}, security: none"
    source = f"providers: {{relay: {relay}, per_second: 50}}}}"
    await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": source})


async def sent_at_a_pace(harness: Harness) -> Journey:
    """By the queue of a provider."""
    await set_pace(harness)
    return await mail_sent(harness)


async def sent_to_members_at_a_pace(harness: Harness) -> Journey:
    """The page of members has messages of such a queue."""
    await set_pace(harness)
    return await sent_to_members(harness)


async def failed_and_retried(harness: Harness) -> Journey:
    """The workflow of the retry, which waits for the send window."""
    promotion = PROMOTION.replace("steps:", 'send_window: {from: "00:00", to: "00:01"}\nsteps:')
    broken = MAIL.replace("{{ entry.properties.cart_id | default: 'none' }}", "{{ entry.properties.cart_id }}")
    await harness.run_campaign(PROMOTION, {"note.liquid": broken})
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Price Dropped")
    [failed] = await harness.messages.until(state="failed")
    await harness.run_campaign(promotion)
    operation = await harness.admin("POST", "/v1/messages/retry", {})
    await harness.decisions.until(outcome="deferred")
    id = retry_workflow_id("promotion", failed["id"], UUID(operation["id"]))
    handle = harness.temporal.get_workflow_handle(id, result_type=str)
    await harness.skip(handle, hours=25)
    return handle


async def mail_sent(harness: Harness) -> Journey:
    handle = await leave_cart(harness)
    await harness.skip(handle, minutes=30)
    return handle


async def exited_in_the_delay(harness: Harness) -> Journey:
    handle = await leave_cart(harness)
    await harness.skip(handle, minutes=10)
    await complete_order(harness)
    return handle


async def showed_how_it_ended(harness: Harness) -> Journey:
    """In its search attributes; journeys whose input does not say `shows_end` write none."""
    return await exited_in_the_delay(harness)


async def unreachable(harness: Harness) -> Journey:
    handle = await leave_cart(harness)
    await harness.identify("u1", email=None)
    await harness.skip(handle, minutes=30)
    return handle


async def _capped(harness: Harness) -> Journey:
    await harness.put_caps(ONE_A_DAY)
    await harness.run_campaign(PROMOTION)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Price Dropped")
    await harness.ended("u1")
    handle = await leave_cart(harness)
    await harness.skip(handle, minutes=30)
    await harness.decisions.until(outcome="deferred")
    return handle


async def deferred_and_sent(harness: Harness) -> Journey:
    handle = await _capped(harness)
    await harness.skip(handle, days=2)
    return handle


async def exited_while_deferred(harness: Harness) -> Journey:
    handle = await _capped(harness)
    await complete_order(harness)
    return handle


async def held_and_resumed(harness: Harness) -> Journey:
    await harness.run_campaign(CART)
    await harness.admin("POST", "/v1/campaigns/cart/pause")
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    handle = await harness.journey("u1", "cart")
    await harness.skip(handle, minutes=30)
    await harness.decisions.until(outcome="held")
    await harness.admin("POST", "/v1/campaigns/cart/resume")
    return handle


async def exited_while_the_send_is_retried(harness: Harness) -> Journey:
    harness.inbox.greylist.add("u1@example.com")
    handle = await leave_cart(harness)
    await harness.skip(handle, minutes=30)
    await harness.until_put_off()
    await complete_order(harness)
    return handle


async def capped_and_exited(harness: Harness) -> Journey:
    await harness.put_caps(ONE_A_DAY)
    await harness.run_campaign(PROMOTION.replace("template: note}", "template: note, on_capped: exit}"))
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Price Dropped")
    await harness.ended("u1")
    await harness.track("u1", "Price Dropped")
    return await harness.journey("u1")


async def postponed(harness: Harness) -> Journey:
    """Granted shortly before the window closes, and sent when it opens again."""
    harness.inbox.greylist.add("u1@example.com")
    opens, closes = (f"{now() + timedelta(minutes=minutes):%H:%M}" for minutes in (-60, 35))
    window = f'send_window: {{from: "{opens}", to: "{closes}"}}'
    await harness.run_campaign(CART.replace("steps:", f"{window}\nsteps:"))
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    handle = await harness.journey("u1")
    await harness.skip(handle, minutes=30)
    await harness.until_put_off()
    await harness.skip(handle, minutes=10)
    await harness.messages.until(reason="send_window")
    harness.inbox.greylist.clear()
    await harness.skip(handle, hours=24)
    return handle


async def held_and_retimed(harness: Harness) -> Journey:
    await harness.run_campaign(
        CART.replace("expires: 5d", "expires: 1h").replace("steps:", "on_resume: retime\nsteps:")
    )
    await harness.admin("POST", "/v1/campaigns/cart/pause")
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    handle = await harness.journey("u1", "cart")
    await harness.skip(handle, minutes=30)
    await harness.rests(handle, "nudge")
    await harness.skip(handle, hours=2)
    await harness.admin("POST", "/v1/campaigns/cart/resume")
    return handle


async def sent_to_members(harness: Harness) -> Journey:
    """To more than a page of them, so that the last run goes on after the first page."""
    await harness.run_campaign(INVITE)
    for number in range(101):
        user = f"u{number}"
        await harness.identify(user, email=f"{user}@example.com")
        joins = {"messageId": str(uuid4()), "userId": user, "groupId": "acme", "traits": {"role": "admin"}}
        await harness.post("group", joins)
    await harness.track("u1", "Account Created")
    handle = await harness.journey("u1")
    await harness.until("SELECT FROM journeys WHERE step = 'rest'", seconds=300)
    await harness.skip(handle, hours=1)
    return handle


async def _nudged(harness: Harness, reply: bytes, step: str) -> Journey:
    """By a webhook that is answered so, until the journey is at a step."""
    async with listening(Receiver(reply).talk) as port:
        hook = HOOK.replace("PORT", str(port))
        await harness.run_campaign(CHOICE, {"note.webhook.liquid": hook, "note.email.liquid": MAIL})
        await harness.identify("u1", email="u1@example.com")
        await harness.track("u1", "Signed Up")
        handle = await harness.journey("u1")
        await harness.until("SELECT 1 FROM journeys WHERE step = %s OR state = 'completed'", step)
        return handle


async def sent_by_the_next_channel(harness: Harness) -> Journey:
    return await _nudged(harness, answer(410), "nudge.fallback")


async def followed_by_a_fallback(harness: Harness) -> Journey:
    handle = await _nudged(harness, answer(204), "nudge.wait")
    await harness.skip(handle, hours=6)
    return handle
