"""First orders: followed by silence, by interest, by a second one, or sent back."""

from datetime import datetime, time, timedelta

from tests.examples.harness import WEEKEND, ExampleHarness, Line, Walker, next_clock, opened, sent

DAY = timedelta(days=1)
ORDERED = Line("Order Completed")
ENTERED = [Line("identify"), ORDERED, Line("entered second-purchase"), Line("first-order: stage first-time-buyer")]
NOT_IN_AGAIN = Line("not let into second-purchase: condition")
LEFT = Line("left second-purchase: ended by Order Completed")


async def orders(walker: Walker, number: int = 1) -> None:
    await walker.does("Order Completed", order_id=f"o{number}", order_number=number)


async def orders_first(walker: Walker) -> None:
    await walker.signs_up()
    await orders(walker)
    await walker.sees("first-order: stage first-time-buyer")


async def first_mail(walker: Walker) -> tuple[datetime, list[Line]]:
    """When it comes, and all lines until then."""
    in_two_weeks = await walker.time_of("entered second-purchase") + 14 * DAY
    at = next_clock(in_two_weeks, walker.timezone, time(10), WEEKEND)
    rested = [Line("weekend: waiting", in_two_weeks), Line("weekend: over", at)]
    return at, [
        *ENTERED,
        *rested,
        *sent("goes-with-it", "second-goes-with-it", "What goes well with your first order", at),
    ]


async def given_up(walker: Walker, since: datetime) -> list[Line]:
    at = await walker.time_of("Order Completed") + 60 * DAY
    return [
        *(Line("two-months: waiting", since), Line("two-months: over", at)),
        Line("lapsing: stage one-time-buyer", at),
        Line("tell: reported Second Purchase Missed", at),
        Line("second-purchase is over: completed", at),
        Line("Second Purchase Missed"),
    ]


async def is_interested_but_does_not_buy(walker: Walker) -> list[Line]:
    await orders_first(walker)
    await walker.waits(days=22)
    await walker.opens("goes-with-it")
    await walker.waits(days=40)
    at, lines = await first_mail(walker)
    voucher_at = at + 10 * DAY
    return [
        *opened("goes-with-it", lines),
        Line("Email Opened"),
        Line("interest: case 1", voucher_at),
        *sent("voucher", "second-voucher", "10 % off your second order, Ada", voucher_at),
        *await given_up(walker, voucher_at),
    ]


async def is_silent(walker: Walker) -> list[Line]:
    await orders_first(walker)
    await walker.waits(days=61)
    at, lines = await first_mail(walker)
    mail_at = at + 10 * DAY
    return [
        *lines,
        Line("interest: otherwise", mail_at),
        *sent("favourites", "second-favourites", "What others love this month", mail_at),
        *await given_up(walker, mail_at),
    ]


async def orders_again_after_the_first_mail(walker: Walker) -> list[Line]:
    await orders_first(walker)
    await walker.waits(days=22)
    await orders(walker, 2)
    _, lines = await first_mail(walker)
    return [
        *lines,
        ORDERED,
        NOT_IN_AGAIN,
        LEFT,
        Line("reached the goal of second-purchase: Order Completed, after goes-with-it"),
    ]


async def orders_twice_in_a_day(walker: Walker) -> list[Line]:
    await orders_first(walker)
    await orders(walker, 2)
    return [*ENTERED, ORDERED, NOT_IN_AGAIN, LEFT, Line("reached the goal of second-purchase: Order Completed")]


async def sends_the_order_back(walker: Walker) -> list[Line]:
    await orders_first(walker)
    await walker.does("Order Refunded", order_id="o0")
    await walker.waits(days=3)
    await walker.does("Order Refunded", order_id="o1")
    await orders(walker)
    refunded = Line("Order Refunded")
    return [
        *(*ENTERED, refunded, refunded),
        Line("left second-purchase: ended by Order Refunded"),
        ORDERED,
        Line("not let into second-purchase: reentry_never"),
        Line("reached the goal of second-purchase: Order Completed"),
    ]


async def wants_no_more_mail(walker: Walker) -> list[Line]:
    await orders_first(walker)
    await walker.does("Unsubscribed")
    return [*ENTERED, Line("Unsubscribed"), Line("left second-purchase: ended by Unsubscribed")]


async def has_ordered_often(walker: Walker) -> list[Line]:
    await walker.signs_up()
    await orders(walker, 5)
    return [Line("identify"), ORDERED, NOT_IN_AGAIN]


async def test_first_orders_lead_to_second_ones_or_do_not(example: ExampleHarness) -> None:
    await example.publish("second-purchase")
    timelines, wanted = await example.play(
        is_interested_but_does_not_buy,
        is_silent,
        orders_again_after_the_first_mail,
        orders_twice_in_a_day,
        sends_the_order_back,
        wants_no_more_mail,
        has_ordered_often,
    )
    assert timelines == wanted
    [missed] = await example.harness.query(
        "SELECT properties FROM events WHERE name = %s AND user_id = %s",
        "Second Purchase Missed",
        "is-silent",
    )
    assert missed == {"properties": {"days": 60, "order_id": "o1"}}
    stages = await example.harness.query("SELECT user_id, stage FROM profiles WHERE stage IS NOT NULL")
    assert {row["user_id"]: row["stage"] for row in stages} == {
        "is-interested-but-does-not-buy": "one-time-buyer",
        "is-silent": "one-time-buyer",
        "orders-again-after-the-first-mail": "first-time-buyer",
        "orders-twice-in-a-day": "first-time-buyer",
        "sends-the-order-back": "first-time-buyer",
        "wants-no-more-mail": "first-time-buyer",
    }
