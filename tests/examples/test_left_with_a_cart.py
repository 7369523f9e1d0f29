"""Visits that ended: with a cart, with an order, with nothing, at night; people come back, order, or get a mail."""

from datetime import UTC, datetime, time, timedelta

from cli.demo.zones import zone_where_it_is
from tests.examples.harness import ExampleHarness, Line, Walker, next_clock, sent

AN_HOUR = timedelta(hours=1)
ENTERED = "entered left-with-a-cart"
LEFT = [Line("identify"), Line("Product Added"), Line("Session Ended"), Line(ENTERED)]
NOT_LET_IN = Line("not let into left-with-a-cart: condition")
SUBJECT = "Your cart is still here"


async def leaves_a_cart(walker: Walker) -> datetime:
    """When two hours without another visit are over."""
    await walker.has_visited("Product Added", ended=AN_HOUR)
    await walker.sees(ENTERED)
    return await walker.time_of(ENTERED) + timedelta(hours=2)


async def gets_a_mail(walker: Walker) -> list[Line]:
    at = await leaves_a_cart(walker)
    await walker.waits(hours=2)
    return [
        *LEFT,
        *sent("mail", "left-with-a-cart", SUBJECT, at),
        Line("left-with-a-cart is over: completed"),
    ]


async def leaves_late_at_night(walker: Walker) -> list[Line]:
    walker.timezone = zone_where_it_is(22, datetime.now(UTC))
    at = await leaves_a_cart(walker)
    await walker.waits(hours=12)
    return [
        *LEFT,
        Line("mail: deferred: send_window", at),
        *sent("mail", "left-with-a-cart", SUBJECT, next_clock(at, walker.timezone, time(9))),
        Line("left-with-a-cart is over: completed"),
    ]


async def comes_back(walker: Walker) -> list[Line]:
    await leaves_a_cart(walker)
    await walker.does("Product Added")
    return [*LEFT, Line("Product Added"), Line("left-with-a-cart is over: came-back")]


async def orders_before_the_mail(walker: Walker) -> list[Line]:
    await leaves_a_cart(walker)
    await walker.waits(hours=1)
    await walker.does("Order Completed")
    return [
        *LEFT,
        Line("Order Completed"),
        Line("left left-with-a-cart: ended by Order Completed"),
        Line("reached the goal of left-with-a-cart: Order Completed"),
    ]


async def orders_in_the_visit(walker: Walker) -> list[Line]:
    await walker.has_visited("Product Added", "Order Completed", ended=AN_HOUR)
    await walker.sees(NOT_LET_IN.text)
    return [Line("identify"), Line("Product Added"), Line("Order Completed"), Line("Session Ended"), NOT_LET_IN]


async def looks_around(walker: Walker) -> list[Line]:
    await walker.has_visited("Product Viewed", ended=AN_HOUR)
    await walker.sees(NOT_LET_IN.text)
    return [Line("identify"), Line("Product Viewed"), Line("Session Ended"), NOT_LET_IN]


async def test_visits_end_with_a_cart(example: ExampleHarness) -> None:
    await example.publish("left-with-a-cart")
    timelines, wanted = await example.play(
        gets_a_mail,
        leaves_late_at_night,
        comes_back,
        orders_before_the_mail,
        orders_in_the_visit,
        looks_around,
    )
    assert timelines == wanted
