"""Carts that are left by day and at night, for good, for a while, or before enough mails."""

from datetime import UTC, datetime, time, timedelta

from cli.demo.zones import zone_where_it_is
from tests.examples.harness import ExampleHarness, Line, Walker, next_clock, sent

HOUR = timedelta(hours=1)
ENTERED = "entered abandoned-cart"
LEFT = [Line("identify"), Line("Cart Abandoned"), Line(ENTERED)]
OVER = Line("abandoned-cart is over: completed")


async def leaves(walker: Walker, cart: str = "c1", value: float = 129) -> None:
    await walker.does("Cart Abandoned", cart_id=cart, value=value, checkout_url="https://shop.example.com/c1")


def nudged(at: datetime) -> list[Line]:
    return sent("nudge", "cart-nudge", "Ada, your cart is waiting", at)


def reminded(at: datetime) -> list[Line]:
    return sent("reminder", "cart-reminder", "We saved your cart", at)


async def does_not_come_back(walker: Walker) -> list[Line]:
    await walker.signs_up()
    await leaves(walker)
    await walker.waits(hours=21)
    entered_at = await walker.time_of(ENTERED)
    return [*LEFT, *nudged(entered_at + HOUR / 2), *reminded(entered_at + 20.5 * HOUR), OVER]


async def leaves_at_night_and_clicks(walker: Walker) -> list[Line]:
    walker.timezone = zone_where_it_is(22, datetime.now(UTC))
    await walker.signs_up()
    await leaves(walker)
    await walker.waits(hours=14)
    await walker.does("Email Link Clicked")
    due_at = await walker.time_of(ENTERED) + HOUR / 2
    return [
        *LEFT,
        Line("nudge: deferred: send_window", due_at),
        *nudged(next_clock(due_at, walker.timezone, time(9))),
        Line("Email Link Clicked"),
        Line("abandoned-cart is over: engaged"),
    ]


async def orders_one_of_two_carts_and_later_the_other(walker: Walker) -> list[Line]:
    await walker.signs_up()
    await leaves(walker, "c1")
    await leaves(walker, "c2")
    await walker.waits(minutes=10)
    await walker.does("Order Completed", cart_id="c1")
    await walker.waits(hours=21)
    await walker.does("Order Completed", cart_id="c2")
    entered_at = await walker.time_of(ENTERED)
    ordered = Line("Order Completed")
    return [
        *LEFT,
        *LEFT[1:],
        ordered,
        Line("left abandoned-cart: ended by Order Completed"),
        Line("reached the goal of abandoned-cart: Order Completed"),
        *nudged(entered_at + HOUR / 2),
        *reminded(entered_at + 20.5 * HOUR),
        OVER,
        ordered,
        Line("reached the goal of abandoned-cart: Order Completed, after reminder"),
    ]


async def wants_no_more_mail(walker: Walker) -> list[Line]:
    await walker.signs_up()
    await leaves(walker, "c1")
    await leaves(walker, "c2")
    await walker.does("Unsubscribed")
    left = Line("left abandoned-cart: ended by Unsubscribed")
    return [*LEFT, *LEFT[1:], Line("Unsubscribed"), left, left]


async def has_had_enough_mails(walker: Walker) -> list[Line]:
    await walker.signs_up()
    promoted = await walker.gets_two_mails()
    await leaves(walker)
    await walker.waits(hours=25)
    entered_at = await walker.time_of(ENTERED)
    return [
        LEFT[0],
        *promoted,
        *LEFT[1:],
        Line("nudge: refused: capped", entered_at + HOUR / 2),
        Line("reminder: deferred: capped", entered_at + 20.5 * HOUR),
        *reminded(await walker.time_of("promo: granted, by smtp") + 24 * HOUR),
        OVER,
    ]


async def leaves_a_small_cart_and_one_again(walker: Walker) -> list[Line]:
    await walker.signs_up()
    await leaves(walker, "c1", value=100)
    await leaves(walker, "c2")
    await walker.does("Order Completed")
    await leaves(walker, "c2")
    return [
        *LEFT[:2],
        Line("not let into abandoned-cart: condition"),
        *LEFT[1:],
        Line("Order Completed"),
        Line("left abandoned-cart: ended by Order Completed"),
        Line("reached the goal of abandoned-cart: Order Completed"),
        LEFT[1],
        Line("not let into abandoned-cart: reentry_after"),
    ]


async def test_carts_are_spoken_of(example: ExampleHarness) -> None:
    await example.publish("abandoned-cart")
    timelines, wanted = await example.play(
        does_not_come_back,
        leaves_at_night_and_clicks,
        orders_one_of_two_carts_and_later_the_other,
        wants_no_more_mail,
        has_had_enough_mails,
        leaves_a_small_cart_and_one_again,
    )
    assert timelines == wanted
