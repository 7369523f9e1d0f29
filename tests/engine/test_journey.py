"""From an HTTP event to a delivered mail, or to a reason why there is none."""

from tests.rig import Rig, actions

CART = """
key: cart
name: Cart
entry:
  event: Cart Abandoned
  where: event.properties.value > 100
  key: event.properties.cart_id
exit:
  - event: Order Completed
    where: event.properties.cart_id == entry.properties.cart_id
steps:
  - {id: cool-off, delay: 30m}
  - {id: nudge, send: {channel: email, template: note}}
"""


async def test_a_mail_is_sent_after_the_delay(rig: Rig) -> None:
    await rig.run_campaign(CART)
    await rig.identify("u1", email="u1@example.com", first_name="Ada")
    await rig.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    handle = await rig.journey("u1")
    assert rig.inbox.messages == []
    await rig.skip(handle, minutes=31)
    assert await handle.result() == "completed"
    [mail] = rig.inbox.messages
    assert mail.recipients == ("u1@example.com",)
    history = await handle.fetch_history()
    assert actions(history) == 4
    assert await rig.query("SELECT * FROM outbox") == []
    assert (await rig.ended("u1"))["outcome"] == "completed"
    for item in await rig.timeline("u1"):
        print(item["at"], item["kind"], item["summary"], item["url"])
