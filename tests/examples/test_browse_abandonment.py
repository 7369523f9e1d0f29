"""Products that are looked at: by those who get a mail and those who do not, by day and at night, once and again."""

from datetime import UTC, datetime, time, timedelta

from cli.demo.zones import zone_where_it_is
from tests.examples.harness import ExampleHarness, Line, Walker, drawn, next_clock, sent

ARMS = {"mail": 90, "holdout": 10}
ENTERED = "entered browse-abandonment"
LOOKED = [Line("identify"), Line("Product Viewed"), Line(ENTERED)]
OVER = Line("browse-abandonment is over: completed")


async def looks(walker: Walker, arm: str, price: float = 80) -> None:
    await walker.drawn_as(arm, "browse-abandonment", ARMS)
    await walker.does("Product Viewed", name="A tent", price=price)


async def due_at(walker: Walker) -> datetime:
    """Two to four hours after the look."""
    hours = drawn(7_201, f"browse-abandonment/{walker.id}", "some-hours")
    return await walker.time_of(ENTERED) + timedelta(hours=2, seconds=hours)


def mailed(at: datetime) -> list[Line]:
    return sent("look-again", "browse-look-again", "Still looking at A tent?", at)


async def gets_a_mail_and_looks_again(walker: Walker) -> list[Line]:
    await looks(walker, "mail")
    await walker.does("Product Viewed", name="A stove", price=90)
    await walker.waits(hours=4)
    await walker.comes_to_an_end()
    await walker.does("Product Viewed", name="A stove", price=90)
    at = await due_at(walker)
    return [
        *LOOKED,
        Line("Product Viewed"),
        Line("not let into browse-abandonment: already_in"),
        Line("measured: mail", at),
        *mailed(at),
        OVER,
        Line("Product Viewed"),
        Line("not let into browse-abandonment: reentry_after"),
    ]


async def is_held_out_and_orders(walker: Walker) -> list[Line]:
    await looks(walker, "holdout")
    await walker.waits(hours=4)
    await walker.comes_to_an_end()
    await walker.waits(days=2)
    await walker.does("Order Completed")
    return [
        *LOOKED,
        Line("measured: holdout", await due_at(walker)),
        OVER,
        Line("Order Completed"),
        Line("reached the goal of browse-abandonment: Order Completed (measured holdout)"),
    ]


async def orders_after_the_goal_has_closed(walker: Walker) -> list[Line]:
    await looks(walker, "mail")
    await walker.waits(hours=4)
    await walker.comes_to_an_end()
    await walker.waits(days=3)
    await walker.does("Order Completed")
    at = await due_at(walker)
    return [*LOOKED, Line("measured: mail", at), *mailed(at), OVER, Line("Order Completed")]


async def looks_late_at_night(walker: Walker) -> list[Line]:
    walker.timezone = zone_where_it_is(22, datetime.now(UTC))
    await looks(walker, "mail")
    await walker.waits(hours=14)
    at = await due_at(walker)
    return [
        *LOOKED,
        Line("measured: mail", at),
        Line("look-again: deferred: send_window", at),
        *mailed(next_clock(at, walker.timezone, time(9))),
        OVER,
    ]


async def puts_it_into_the_cart(walker: Walker) -> list[Line]:
    await looks(walker, "mail")
    await walker.waits(hours=1)
    await walker.does("Product Added")
    return [*LOOKED, Line("Product Added"), Line("left browse-abandonment: ended by Product Added")]


async def orders_at_once(walker: Walker) -> list[Line]:
    await looks(walker, "mail")
    await walker.does("Order Completed")
    return [
        *LOOKED,
        Line("Order Completed"),
        Line("left browse-abandonment: ended by Order Completed"),
        Line("reached the goal of browse-abandonment: Order Completed"),
    ]


async def wants_no_more_mail(walker: Walker) -> list[Line]:
    await looks(walker, "mail")
    await walker.does("Unsubscribed")
    return [*LOOKED, Line("Unsubscribed"), Line("left browse-abandonment: ended by Unsubscribed")]


async def looks_at_something_cheap(walker: Walker) -> list[Line]:
    await looks(walker, "mail", price=20)
    return [*LOOKED[:2], Line("not let into browse-abandonment: condition")]


async def test_products_are_looked_at(example: ExampleHarness) -> None:
    await example.publish("browse-abandonment")
    timelines, wanted = await example.play(
        gets_a_mail_and_looks_again,
        is_held_out_and_orders,
        orders_after_the_goal_has_closed,
        looks_late_at_night,
        puts_it_into_the_cart,
        orders_at_once,
        wants_no_more_mail,
        looks_at_something_cheap,
    )
    assert timelines == wanted
