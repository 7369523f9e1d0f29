"""From an HTTP event to a delivered mail, or to a reason why there is none."""

from collections.abc import Awaitable, Callable

import pytest
from temporalio.client import WorkflowFailureError

from domain.journey.records import Ending
from store import journeys
from tests.engine.campaigns import CART, ONE_A_DAY, PROMOTION, REACTION
from tests.harness import MAIL, PATIENCE, Harness, actions, ago, now, until_blocked


async def abandon(harness: Harness, user: str, cart: str = "c1", value: float = 120) -> None:
    await harness.identify(user, email=f"{user}@example.com")
    await harness.track(user, "Cart Abandoned", {"value": value, "cart_id": cart})


async def order(harness: Harness, user: str, cart: str = "c1") -> str:
    return await harness.track(user, "Order Completed", {"cart_id": cart})


def reasons(timeline: list[dict[str, object]]) -> list[object]:
    return [item["reason"] for item in timeline if item["reason"] is not None]


ENGAGED = """
key: engaged
name: Engaged
entry: {event: Signed Up}
steps:
  - id: clicked
    wait_for: {event: Link Clicked, timeout: 2d}
    on_event: [{exit: engaged}]
"""


async def test_a_mail_is_sent_after_the_delay_for_four_actions(harness: Harness) -> None:
    await harness.run_campaign(CART)
    await abandon(harness, "u1")
    handle = await harness.journey("u1")
    assert harness.inbox.messages == []
    await harness.skip(handle, minutes=30)
    assert await handle.result() == "completed"
    [mail] = harness.inbox.messages
    assert mail.recipients == ("u1@example.com",)
    assert actions(await handle.fetch_history()) == 4
    assert (await harness.ended("u1"))["outcome"] == "completed"
    assert await harness.query("SELECT * FROM outbox WHERE kind <> 'campaign'") == []
    timeline = await harness.timeline("u1")
    assert [item["kind"] for item in timeline] == ["event", "event", "entry", "send", "message", "end"]
    assert timeline[-1]["url"].endswith(handle.id.replace("/", "%2F"))


async def test_an_event_that_nobody_listens_for_leaves_no_outbox_row(harness: Harness) -> None:
    await harness.run_campaign(CART)
    await harness.track("u1", "Page Scrolled")
    assert await harness.query("SELECT * FROM outbox WHERE kind <> 'campaign'") == []
    assert await harness.decisions.all() == []
    assert len(await harness.query("SELECT * FROM events")) == 1


async def waiting(harness: Harness) -> None:
    """In the delay."""
    await harness.run_campaign(CART)
    await abandon(harness, "u1")
    handle = await harness.journey("u1")
    await harness.skip(handle, minutes=10)
    await order(harness, "u1")


async def deferred(harness: Harness) -> None:
    """Capped, and waiting for the cap to free."""
    await harness.put_caps(ONE_A_DAY)
    await harness.run_campaign(PROMOTION)
    await harness.run_campaign(CART)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Price Dropped")
    await harness.ended("u1")
    await abandon(harness, "u1")
    handle = await harness.journey("u1", "cart")
    await harness.skip(handle, minutes=30)
    await harness.decisions.until(outcome="deferred")
    await order(harness, "u1")


async def listening(harness: Harness) -> None:
    """Waiting for an event."""
    await harness.run_campaign(REACTION)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")
    await harness.messages.until(state="sent")
    await harness.track("u1", "Account Closed")


async def authorised_and_greylisted(harness: Harness) -> None:
    harness.inbox.greylist.add("u1@example.com")
    await harness.run_campaign(CART)
    await abandon(harness, "u1")
    handle = await harness.journey("u1")
    await harness.skip(handle, minutes=30)
    await harness.until_put_off()


async def authorised(harness: Harness) -> None:
    """Granted, but the provider does not take it yet."""
    await authorised_and_greylisted(harness)
    await order(harness, "u1")
    harness.inbox.greylist.clear()


async def held(harness: Harness) -> None:
    """The campaign is paused."""
    await harness.run_campaign(CART)
    await harness.admin("POST", "/v1/campaigns/cart/pause")
    await abandon(harness, "u1")
    handle = await harness.journey("u1")
    await harness.skip(handle, minutes=30)
    await harness.decisions.until(outcome="held")
    await order(harness, "u1")


@pytest.mark.parametrize("state", [waiting, deferred, listening, authorised, held], ids=lambda state: state.__name__)
async def test_an_exit_event_ends_a_journey_in(harness: Harness, state: Callable[[Harness], Awaitable[None]]) -> None:
    before = 1 if state in (deferred, listening) else 0
    await state(harness)
    journey = await harness.ended("u1")
    assert journey["outcome"] == "exited"
    handle = await harness.journey("u1", journey["campaign_key"])
    assert await handle.result() == "exited"
    assert len(harness.inbox.messages) == before
    assert await harness.query("SELECT * FROM messages WHERE state IN ('reserved', 'sending')") == []
    exits = [item for item in await harness.timeline("u1") if item["kind"] == "exit"]
    assert [item["data"]["event_id"] for item in exits] == [journey["ended_by"]]


async def test_a_held_message_goes_when_the_campaign_is_resumed(harness: Harness) -> None:
    await harness.run_campaign(CART)
    await harness.admin("POST", "/v1/campaigns/cart/pause")
    await abandon(harness, "u1")
    handle = await harness.journey("u1")
    await harness.skip(handle, minutes=30)
    await harness.decisions.until(outcome="held")
    await abandon(harness, "u2")
    await harness.admin("POST", "/v1/campaigns/cart/resume")
    assert await handle.result() == "completed"
    assert [mail.recipients for mail in harness.inbox.messages] == [("u1@example.com",)]
    # Who was not held is not told: that would be an action each.
    resting = await (await harness.journey("u2")).fetch_history()
    assert actions(resting) == 2


async def test_a_deferred_message_goes_when_the_cap_frees(harness: Harness) -> None:
    await harness.put_caps(ONE_A_DAY)
    await harness.run_campaign(PROMOTION)
    await harness.run_campaign(CART)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Price Dropped")
    await harness.ended("u1")
    await abandon(harness, "u1")
    handle = await harness.journey("u1", "cart")
    await harness.skip(handle, hours=25)
    assert await handle.result() == "completed"
    assert len(harness.inbox.messages) == 2
    [deferral] = [item for item in await harness.timeline("u1") if "deferred" in item["summary"]]
    assert deferral["reason"] == "capped"
    assert deferral["data"]["rule"] == "daily"
    assert deferral["data"]["count"] == 1


async def test_each_cart_of_a_user_has_a_journey_of_its_own(harness: Harness) -> None:
    await harness.run_campaign(CART)
    await abandon(harness, "u1", cart="c1")
    first = await harness.journey("u1")
    await abandon(harness, "u1", cart="c2")
    second = await harness.journey("u1")
    await abandon(harness, "u1", cart="c2")
    assert first.id != second.id
    await order(harness, "u1", cart="c1")
    assert await first.result() == "exited"
    await harness.skip(second, minutes=31)
    assert await second.result() == "completed"
    [mail] = harness.inbox.messages
    assert "Cart c2" in str(mail.text)
    assert reasons(await harness.timeline("u1")) == ["already_in", "exit_event"]


async def test_an_event_reported_twice_changes_nothing(harness: Harness) -> None:
    await harness.run_campaign(CART)
    await harness.identify("u1", email="u1@example.com")
    for _ in range(2):
        await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"}, messageId="m1")
    await harness.track("u1", "Cart Abandoned", {"value": 300, "cart_id": "c2"}, messageId="m1")
    await harness.track("u2", "Cart Abandoned", {"value": 120, "cart_id": "c1"}, messageId="m1")
    assert len(await harness.journeys.all()) == 1
    assert len(await harness.query("SELECT * FROM events WHERE message_id = 'm1'")) == 1
    assert len(await harness.query("SELECT * FROM profiles")) == 1


async def test_an_old_identify_repeated_does_not_undo_a_newer_one(harness: Harness) -> None:
    old = {"messageId": "i1", "userId": "u1", "traits": {"email": "old@example.com"}}
    await harness.post("identify", old)
    await harness.identify("u1", email="new@example.com")
    await harness.post("identify", old)
    assert await harness.query("SELECT traits FROM profiles") == [{"traits": {"email": "new@example.com"}}]


async def test_an_order_that_arrived_before_the_cart_but_happened_after_it_lets_nobody_in(harness: Harness) -> None:
    await harness.run_campaign(CART)
    await harness.track("u1", "Order Completed", {"cart_id": "c1"}, timestamp=ago(hours=1, minutes=55))
    await harness.track("u1", "Cart Abandoned", {"cart_id": "c1", "value": 120}, timestamp=ago(hours=2))
    await harness.track("u1", "Cart Abandoned", {"cart_id": "c1", "value": 120}, timestamp=ago(hours=1))
    assert reasons(await harness.timeline("u1")) == ["exit_event_came_first"]
    assert len(await harness.journeys.all()) == 1


async def test_a_journey_of_an_anonymous_user_goes_on_when_they_identify(harness: Harness) -> None:
    await harness.run_campaign(CART)
    cart = {"messageId": "e1", "anonymousId": "a1", "event": "Cart Abandoned"}
    await harness.post("track", {**cart, "properties": {"value": 120, "cart_id": "c1"}})
    await harness.until("SELECT 1 FROM journeys WHERE NOT EXISTS (SELECT 1 FROM outbox)")
    traits = {"email": "u1@example.com"}
    await harness.post("identify", {"messageId": "e2", "anonymousId": "a1", "userId": "u1", "traits": traits})
    handle = await harness.journey("u1")
    assert handle.id.startswith("cart/a1/")
    await harness.skip(handle, minutes=30)
    assert await handle.result() == "completed"
    assert [mail.recipients for mail in harness.inbox.messages] == [("u1@example.com",)]
    assert [item["summary"] for item in await harness.timeline("a1")] == [
        item["summary"] for item in await harness.timeline("u1")
    ]


async def test_an_anonymous_profile_is_merged_into_the_user_that_was_known(harness: Harness) -> None:
    await harness.run_campaign(CART)
    await abandon(harness, "u1")
    kept = await harness.journey("u1")
    cart = {"anonymousId": "a1", "event": "Cart Abandoned", "properties": {"value": 150, "cart_id": "c1"}}
    await harness.post("track", {"messageId": "e1", **cart})
    [doubled] = await harness.until(
        "SELECT workflow_id FROM journeys WHERE workflow_id LIKE 'cart/a1/%%' AND NOT EXISTS (SELECT 1 FROM outbox)"
    )
    await harness.post("identify", {"messageId": "e2", "anonymousId": "a1", "userId": "u1", "traits": {"plan": "team"}})
    assert await harness.temporal.get_workflow_handle(doubled["workflow_id"]).result() == "exited"
    await harness.skip(kept, minutes=31)
    assert await kept.result() == "completed"
    assert len(harness.inbox.messages) == 1
    assert len(await harness.query("SELECT * FROM profiles")) == 1


async def test_a_wait_is_ended_by_the_event_that_it_waits_for(harness: Harness) -> None:
    await harness.run_campaign(REACTION)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")
    await harness.messages.until(state="sent")
    await harness.track("u1", "Link Clicked", {"kind": "bad"})
    await harness.track("u1", "Link Clicked", {"kind": "good"})
    assert await (await harness.journey("u1")).result() == "engaged"
    assert (await harness.ended("u1"))["outcome"] == "engaged"


@pytest.mark.parametrize(("plan", "steps"), [("team", ["hello", "team", "goodbye"]), ("free", ["hello", "goodbye"])])
async def test_a_wait_that_times_out_goes_on_to_the_branch(harness: Harness, plan: str, steps: list[str]) -> None:
    await harness.run_campaign(REACTION)
    await harness.identify("u1", email="u1@example.com", plan=plan)
    await harness.track("u1", "Signed Up")
    handle = await harness.journey("u1")
    await harness.skip(handle, days=3)
    assert await handle.result() == "completed"
    sent = await harness.query("SELECT step FROM messages WHERE state = 'sent' ORDER BY settled_at")
    assert [row["step"] for row in sent] == steps


async def test_a_suppressed_channel_carries_nothing(harness: Harness) -> None:
    await harness.run_campaign(PROMOTION)
    await harness.identify("u1", email="u1@example.com")
    await harness.admin("PUT", "/v1/users/u1/suppressions/email", {"reason": "hard bounce"})
    await harness.track("u1", "Price Dropped")
    await harness.ended("u1")
    assert reasons(await harness.timeline("u1")) == ["suppressed"]
    await harness.admin("DELETE", "/v1/users/u1/suppressions/email")
    await harness.track("u1", "Price Dropped")
    await harness.inbox.wait_for(1, timeout=PATIENCE)


async def test_a_template_that_fails_for_one_user_harms_nobody_else(harness: Harness) -> None:
    broken = MAIL.replace("{{ entry.properties.cart_id | default: 'none' }}", "{{ entry.properties.cart_id }}")
    await harness.run_campaign(PROMOTION, {"note.liquid": broken})
    for user in ("u1", "u2"):
        await harness.identify(user, email=f"{user}@example.com")
    await harness.track("u1", "Price Dropped")
    await harness.track("u2", "Price Dropped", {"cart_id": "c2"})
    await harness.inbox.wait_for(1, timeout=PATIENCE)
    assert (await harness.ended("u1"))["outcome"] == "completed"
    assert reasons(await harness.timeline("u1")) == ["template_error"]
    assert [mail.recipients for mail in harness.inbox.messages] == [("u2@example.com",)]


async def test_a_message_that_the_provider_refuses_frees_its_cap(harness: Harness) -> None:
    await harness.put_caps(ONE_A_DAY)
    await harness.run_campaign(PROMOTION)
    harness.inbox.refuse.add("u1@example.com")
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Price Dropped")
    await harness.messages.until(state="failed")
    await harness.ended("u1")
    harness.inbox.refuse.clear()
    # The refusal has suppressed the address.
    await harness.admin("DELETE", "/v1/users/u1/suppressions/email")
    await harness.track("u1", "Price Dropped")
    await harness.inbox.wait_for(1, timeout=PATIENCE)


async def test_a_user_id_that_is_an_address_does_not_reach_temporal(harness: Harness) -> None:
    await harness.run_campaign(CART)
    await abandon(harness, "ada@example.com")
    handle = await harness.journey("ada@example.com")
    assert "@" not in handle.id
    description = await handle.describe()
    assert "@" not in str(description.typed_search_attributes)


async def test_a_journey_that_is_cancelled_in_temporal_is_over(harness: Harness) -> None:
    await harness.run_campaign(CART)
    await abandon(harness, "u1")
    handle = await harness.journey("u1")
    await handle.cancel()
    assert (await harness.ended("u1"))["outcome"] == "cancelled"
    await abandon(harness, "u1")
    assert (await harness.journey("u1")).id != handle.id


async def test_a_journey_is_cancelled_while_its_message_is_on_the_way(harness: Harness) -> None:
    await authorised_and_greylisted(harness)
    handle = await harness.journey("u1")
    await handle.cancel()
    assert (await harness.ended("u1"))["outcome"] == "cancelled"
    harness.inbox.greylist.clear()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert (await harness.messages.one())["state"] == "cancelled"
    assert harness.inbox.messages == []


async def test_a_person_is_in_a_campaign_a_bounded_number_of_times(harness: Harness) -> None:
    await harness.run_campaign(CART)
    batch = [
        {
            "type": "track",
            "messageId": f"m{number}",
            "userId": "u1",
            "event": "Cart Abandoned",
            "properties": {"value": 200, "cart_id": f"c{number}"},
        }
        for number in range(110)
    ]
    await harness.post("batch", {"batch": batch})
    assert len(await harness.journeys.all()) == 100
    assert reasons(await harness.timeline("u1")) == ["too_many_journeys"] * 10


async def test_a_journey_that_is_ended_while_it_ends_has_one_outcome(harness: Harness) -> None:
    """The exit event was first: what the row says is the workflow's result as well."""
    await harness.run_campaign(ENGAGED)
    await harness.track("u1", "Signed Up")
    handle = await harness.journey("u1")
    await harness.rests(handle, "clicked")
    [row] = await harness.query("SELECT journeys.id, rules FROM journeys JOIN campaign_versions USING (campaign_key)")
    [subscription] = row["rules"]["subscriptions"]
    async with harness.database.transaction() as connection:
        await journeys.end(connection, [Ending(row["id"], "exited", "exited", "e1", now())])
        await handle.signal("matched", args=[subscription, "e2", 1])
        await until_blocked(connection)
    assert await handle.result() == "exited"
