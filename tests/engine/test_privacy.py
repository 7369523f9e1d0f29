"""Nothing about a person gets into Temporal but the id by which the client calls them."""

from collections.abc import Sequence

from temporalio.api.workflow.v1 import PendingActivityInfo

from tests.engine.campaigns import CART
from tests.harness import MAIL, Harness

TEMPLATE = MAIL.replace("Cart {{", "Street {{ profile.traits.street }} {{")


async def test_the_raw_history_holds_neither_address_nor_attribute_nor_property(harness: Harness) -> None:
    """A journey with a retry and a failure on its way, both with the address in the answer of the mail server."""
    await harness.run_campaign(CART, {"note.liquid": TEMPLATE})
    await harness.identify("u1", email="secret-address@example.com", street="secret-street", timezone="Asia/Tokyo")
    harness.inbox.greylist.add("secret-address@example.com")
    await harness.track("u1", "Cart Abandoned", {"value": 987654321, "cart_id": "secret-cart", "note": "secret-note"})
    handle = await harness.journey("u1")
    await harness.skip(handle, minutes=30)
    await harness.until_put_off()
    waiting = await harness.messages.one()
    assert "greylisted" in waiting["detail"]
    assert "secret" not in waiting["detail"]
    harness.inbox.greylist.clear()
    harness.inbox.refuse.add("secret-address@example.com")
    assert await handle.result() == "completed"
    message = await harness.messages.one()
    assert message["state"] == "failed"
    history = await handle.fetch_history()
    raw = b"".join(event.SerializeToString() for event in history.events)
    assert b"nudge" in raw
    for personal in (b"secret", b"example.com", b"Asia/Tokyo", b"987654321"):
        assert personal not in raw
    described = (await handle.describe()).raw_description.SerializeToString()
    assert b"secret" not in described


HEARING = """
key: hearing
name: Hearing
entry: {event: Cart Abandoned}
exit: [{event: Order Completed}]
steps:
  - {id: opened, wait_for: {event: Email Opened, timeout: 1d}}
  - {id: rest, delay: 1d}
"""


async def test_a_message_id_that_is_an_address_does_not_reach_temporal(harness: Harness) -> None:
    """Clients make message ids as they like: of an event that starts a journey, of one that moves it, that ends it."""
    await harness.run_campaign(HEARING)
    await harness.track("u1", "Cart Abandoned", messageId="enters/secret@example.com")
    handle = await harness.journey("u1")
    await harness.rests(handle, "opened")
    await harness.track("u1", "Email Opened", messageId="moves/secret@example.com")
    await harness.rests(handle, "rest")
    await harness.track("u1", "Order Completed", messageId="ends/secret@example.com")
    assert await handle.result() == "exited"
    raw = b"".join(event.SerializeToString() for event in (await handle.fetch_history()).events)
    described = (await handle.describe()).raw_description.SerializeToString()
    for personal in (b"secret", b"example.com"):
        assert personal not in raw
        assert personal not in described
    events = {row["name"]: str(row["id"]).encode() for row in await harness.query("SELECT id, name FROM events")}
    assert events["Email Opened"] in raw
    assert events["Order Completed"] in raw


async def test_a_foreign_error_is_told_to_the_log_and_not_to_the_history(harness: Harness) -> None:
    """A row that the activity cannot read: the text of the error quotes it."""
    await harness.run_campaign(CART)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    await harness.query("UPDATE profiles SET consent = '\"secret-consent\"' RETURNING 1")
    handle = await harness.journey("u1")
    await harness.skip(handle, minutes=30)
    pending: Sequence[PendingActivityInfo] = ()
    while not pending or pending[0].attempt < 2:
        pending = (await handle.describe()).raw_description.pending_activities
    assert pending[0].last_failure.application_failure_info.type == "ValidationError"
    assert b"secret" not in pending[0].SerializeToString()
    await harness.query("UPDATE profiles SET consent = '{}' RETURNING 1")
    assert await handle.result() == "completed"
    raw = b"".join(event.SerializeToString() for event in (await handle.fetch_history()).events)
    assert b"secret" not in raw
