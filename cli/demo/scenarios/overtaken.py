"""Users who acted before the message was sent, so that it must not go any more."""

from cli.demo.cast import (
    CART,
    NUDGE,
    PRICE,
    TRIAL,
    cart,
    leaves_a_cart_until_the_nudge,
    product,
    scenario,
    starts_a_trial,
)
from cli.demo.person import DemoPerson


@scenario(
    "jana",
    "leaves a cart, orders 10 minutes later",
    f"{CART} entered",
    f"{CART} exited: exit_event",
    f"{CART} converted",
)
async def order_came_first(jana: DemoPerson) -> None:
    await jana.signs_up()
    await jana.does("Cart Abandoned", cart())
    await jana.waits(minutes=10)
    await jana.does("Order Completed", {"cart_id": "c1"})


@scenario("kim", "orders; the cart is reported later", f"{CART} refused: exit_event_came_first")
async def cart_was_reported_after_its_order(kim: DemoPerson) -> None:
    await kim.signs_up()
    await kim.does("Order Completed", {"cart_id": "c1"})
    await kim.does("Cart Abandoned", cart(), minutes_ago=5)


@scenario(
    "lea",
    "orders while a reminder is put off",
    f"{PRICE} entered",
    f"{PRICE}/price-mail sent",
    f"{PRICE} completed",
    f"{CART} entered",
    f"{CART}/nudge sent",
    f"{CART}/reminder deferred: capped",
    f"{CART} exited: exit_event",
    f"{CART}/nudge converted",
    mails=(("0m", "A tent now costs less"), ("30m", NUDGE)),
)
async def order_came_while_deferred(lea: DemoPerson) -> None:
    await lea.signs_up()
    await lea.does("Price Dropped", product("A tent", 199))
    await lea.sees(f"{PRICE} completed")
    await lea.does("Cart Abandoned", cart())
    await lea.waits(minutes=30)
    await lea.sees(f"{CART}/nudge sent")
    await lea.waits(hours=20)
    await lea.sees(f"{CART}/reminder deferred: capped")
    await lea.waits(hours=2)
    await lea.does("Order Completed", {"cart_id": "c1"})


@scenario(
    "max",
    "orders while the mail server says “later”",
    f"{CART} entered",
    f"{CART} exited: exit_event",
    f"{CART} converted",
    f"{CART}/nudge cancelled: journey_ended",
)
async def order_came_while_authorised(max: DemoPerson) -> None:
    max.mail_server_says_later()
    await leaves_a_cart_until_the_nudge(max)
    await max.sees(f"{CART}/nudge reserved: deferred")
    await max.does("Order Completed", {"cart_id": "c1"})
    # An attempt may be running at this moment; it is refused, and there is no other.
    await max.sees(f"{CART}/nudge cancelled: journey_ended")
    max.mail_server_accepts()


@scenario(
    "nora",
    "subscribes on day 3 of a trial",
    f"{TRIAL} entered",
    f"{TRIAL} exited: exit_event",
    f"{TRIAL} converted",
)
async def subscription_started(nora: DemoPerson) -> None:
    await starts_a_trial(nora)
    await nora.waits(days=3)
    await nora.does("Subscription Started")


@scenario(
    "oli",
    "orders, has the same cart reported again",
    f"{CART} entered",
    f"{CART} exited: exit_event",
    f"{CART} converted",
    f"{CART} refused: reentry_after",
)
async def same_cart_again(oli: DemoPerson) -> None:
    await oli.signs_up()
    await oli.does("Cart Abandoned", cart())
    await oli.waits(minutes=10)
    await oli.does("Order Completed", {"cart_id": "c1"})
    await oli.sees(f"{CART} exited: exit_event")
    await oli.does("Cart Abandoned", cart())
