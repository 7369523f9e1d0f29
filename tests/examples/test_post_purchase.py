"""Orders that arrive or do not, and the reviews that people write or do not."""

from datetime import datetime, timedelta

from tests.examples.harness import ExampleHarness, Line, Walker, opened, sent

DAY = timedelta(days=1)
ENTERED = "entered post-purchase"
ORDERED = [Line("Order Completed"), Line(ENTERED)]
KNOWN = [Line("identify"), *ORDERED]


async def orders(walker: Walker, order: str = "o1") -> None:
    await walker.does("Order Completed", order_id=order)


async def gets_it(walker: Walker) -> list[Line]:
    """The order comes on day 3: the lines until a review is asked for, which is due on day 12."""
    await walker.signs_up()
    await orders(walker)
    await walker.waits(days=3)
    await walker.does("Order Delivered", order_id="o1")
    care_at = await walker.time_of(ENTERED) + 4 * DAY
    return [*KNOWN, Line("Order Delivered"), *cared(care_at)]


async def asked_at(walker: Walker) -> datetime:
    return await walker.time_of(ENTERED) + 12 * DAY


def cared(at: datetime | None = None) -> list[Line]:
    return sent("care", "post-care", "How to make it last", at)


def asked(at: datetime) -> list[Line]:
    return [
        Line("asked-lately: otherwise", at),
        *sent("ask-for-review", "review-request", "How do you like it, Ada?", at),
        Line("was-sent: otherwise", at),
        Line("asked: set review_asked_at", at),
    ]


async def opens_and_says_nothing(walker: Walker) -> list[Line]:
    lines = await gets_it(walker)
    await walker.waits(days=10)
    await walker.opens("ask-for-review")
    await walker.waits(days=6)
    at = await asked_at(walker)
    return [
        *lines,
        *opened("ask-for-review", asked(at)),
        Line("Email Opened"),
        Line("seen: otherwise", at + 6 * DAY),
        Line("post-purchase is over: completed", at + 6 * DAY),
    ]


async def ignores_it_and_is_asked_again(walker: Walker) -> list[Line]:
    lines = await gets_it(walker)
    await walker.waits(days=18)
    at = await asked_at(walker)
    return [
        *lines,
        *asked(at),
        Line("seen: case 1", at + 6 * DAY),
        *sent("ask-again", "review-reminder", "Two sentences about your order", at + 6 * DAY),
        Line("post-purchase is over: completed", at + 6 * DAY),
    ]


async def writes_a_review(walker: Walker) -> list[Line]:
    lines = await gets_it(walker)
    await walker.waits(days=10)
    await walker.does("Review Submitted", order_id="o0")
    await walker.does("Review Submitted", order_id="o1")
    return [
        *lines,
        *asked(await asked_at(walker)),
        *(Line("Review Submitted"), Line("Review Submitted")),
        Line("left post-purchase: ended by Review Submitted"),
        Line("reached the goal of post-purchase: Review Submitted, after ask-for-review"),
    ]


async def orders_again_and_is_not_asked_again(walker: Walker) -> list[Line]:
    lines = await gets_it(walker)
    await walker.waits(days=18)
    await walker.comes_to_an_end()
    await orders(walker, "o2")
    # The clock of this journey begins at ours: let it come to where that of the first one ended.
    await walker.waits(days=19)
    await walker.does("Order Delivered", order_id="o2")
    await walker.waits(days=12)
    at = await asked_at(walker)
    return [
        *lines,
        *asked(at),
        Line("seen: case 1", at + 6 * DAY),
        *sent("ask-again", "review-reminder", "Two sentences about your order", at + 6 * DAY),
        Line("post-purchase is over: completed", at + 6 * DAY),
        *ORDERED,
        Line("Order Delivered"),
        *cared(),
        Line("asked-lately: case 1"),
        Line("post-purchase is over: asked-lately"),
    ]


async def has_had_enough_mails(walker: Walker) -> list[Line]:
    lines = await gets_it(walker)
    await walker.waits(days=2)
    await walker.sees(cared()[-1].text)
    at = await asked_at(walker)
    promoted = await walker.gets_two_mails(at - timedelta(hours=3))
    await walker.waits(days=10)
    return [
        *lines,
        *promoted,
        Line("asked-lately: otherwise", at),
        Line("ask-for-review: refused: capped", at),
        Line("post-purchase is over: capped", at),
    ]


async def has_no_address(walker: Walker) -> list[Line]:
    await walker.signs_up(email=None)
    await orders(walker)
    await walker.does("Order Delivered", order_id="o1")
    await walker.waits(days=10)
    entered_at = await walker.time_of(ENTERED)
    return [
        *(*KNOWN, Line("Order Delivered")),
        Line("care: refused: unreachable", entered_at + DAY),
        Line("asked-lately: otherwise", entered_at + 9 * DAY),
        Line("ask-for-review: refused: unreachable", entered_at + 9 * DAY),
        Line("was-sent: case 1", entered_at + 9 * DAY),
        Line("post-purchase is over: not-asked", entered_at + 9 * DAY),
    ]


async def is_not_found_by_the_parcel(walker: Walker) -> list[Line]:
    await walker.signs_up()
    await orders(walker, "o1")
    await orders(walker, "o2")
    await walker.does("Delivery Failed", order_id="o1")
    await walker.sees("post-purchase is over: not-delivered")
    await walker.does("Order Cancelled", order_id="o2")
    return [
        *KNOWN,
        *ORDERED,
        Line("Delivery Failed"),
        Line("post-purchase is over: not-delivered"),
        Line("Order Cancelled"),
        Line("left post-purchase: ended by Order Cancelled"),
    ]


async def sends_one_back_and_wants_no_more_mail(walker: Walker) -> list[Line]:
    lines = await gets_it(walker)
    await walker.waits(days=5)
    await walker.does("Order Refunded", order_id="o1")
    await orders(walker, "o1")
    await orders(walker, "o2")
    await walker.does("Unsubscribed")
    return [
        *lines,
        Line("Order Refunded"),
        Line("left post-purchase: ended by Order Refunded"),
        Line("Order Completed"),
        Line("not let into post-purchase: reentry_never"),
        *ORDERED,
        Line("Unsubscribed"),
        Line("left post-purchase: ended by Unsubscribed"),
    ]


async def never_gets_it(walker: Walker) -> list[Line]:
    await walker.signs_up()
    await orders(walker)
    await walker.waits(days=31)
    in_a_month = await walker.time_of(ENTERED) + 30 * DAY
    return [*KNOWN, Line("post-purchase is over: not-delivered", in_a_month)]


async def test_orders_are_followed_up(example: ExampleHarness) -> None:
    await example.publish("post-purchase")
    timelines, wanted = await example.play(
        opens_and_says_nothing,
        ignores_it_and_is_asked_again,
        writes_a_review,
        orders_again_and_is_not_asked_again,
        has_had_enough_mails,
        has_no_address,
        is_not_found_by_the_parcel,
        sends_one_back_and_wants_no_more_mail,
        never_gets_it,
    )
    assert timelines == wanted
    categories = await example.harness.query(
        "SELECT DISTINCT step, category FROM messages WHERE campaign_key = 'post-purchase' ORDER BY step"
    )
    assert [(row["step"], row["category"]) for row in categories] == [
        ("ask-again", "marketing"),
        ("ask-for-review", "marketing"),
        ("care", "service"),
    ]
