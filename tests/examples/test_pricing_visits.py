"""Visitors of the prices: unknown ones, with an address or without, known ones, and those who signed up long ago."""

from datetime import datetime, timedelta

from tests.examples.harness import ExampleHarness, Line, Walker, sent

VISIT = Line("page Pricing")
JOINED = [Line("identify"), Line("changed profile.traits.email")]
ENTERED = Line("entered pricing-visits")
CHAT = "chat: webhook pricing-chat sent “open_chat”"
SUBJECT = "Questions about our prices?"


def chat(at: datetime) -> list[Line]:
    return sent("chat", "pricing-chat", "open_chat", at, channel="webhook")


async def visits_three_times(walker: Walker) -> list[Line]:
    """In a browser of which only an anonymous id is known."""
    for _ in range(3):
        await walker.visits("Pricing", is_known=False)
    await walker.sees(CHAT)
    await walker.sees("is-known: otherwise")
    return [
        *[VISIT] * 2,
        VISIT,
        ENTERED,
        *chat(await walker.time_of(ENTERED.text)),
        Line("is-known: otherwise"),
    ]


async def stays_unknown(walker: Walker) -> list[Line]:
    lines = await visits_three_times(walker)
    at = await walker.time_of(ENTERED.text) + timedelta(days=3)
    await walker.waits(days=3)
    return [*lines, Line("pricing-visits is over: unknown", at)]


async def leaves_an_address(walker: Walker) -> list[Line]:
    lines = await visits_three_times(walker)
    await walker.logs_in(email=f"{walker.id}@example.com", timezone=walker.timezone)
    at = await walker.time_of("identify")
    await walker.waits(hours=1)
    return [
        *lines,
        *(
            Line("identify"),
            Line("changed profile.traits.email"),
        ),
        *sent("mail", "pricing-mail", SUBJECT, at + timedelta(hours=1)),
        Line("pricing-visits is over: completed"),
    ]


async def visits_unknown_and_known(walker: Walker) -> list[Line]:
    """Two visits on a phone and one after a login elsewhere are three visits of one person."""
    await walker.signs_up()
    await walker.visits("Pricing")
    for _ in range(2):
        await walker.visits("Pricing", is_known=False)
    await walker.logs_in()
    await walker.visits("Pricing")
    await walker.sees(CHAT)
    await walker.sees("is-known: case 1")
    at = await walker.time_of(ENTERED.text)
    await walker.waits(days=1)
    return [
        *(*JOINED, *[VISIT] * 3, Line("identify"), VISIT, ENTERED, *chat(at)),
        Line("is-known: case 1"),
        *sent("mail", "pricing-mail", SUBJECT, at + timedelta(days=1)),
        Line("pricing-visits is over: completed"),
    ]


async def signs_up_after_the_chat(walker: Walker) -> list[Line]:
    lines = await visits_three_times(walker)
    await walker.logs_in()
    await walker.does("Signed Up")
    return [
        *lines,
        *(Line("identify"), Line("Signed Up"), Line("left pricing-visits: ended by Signed Up")),
        Line("reached the goal of pricing-visits: Signed Up, after chat"),
    ]


async def has_signed_up_long_ago(walker: Walker) -> list[Line]:
    await walker.signs_up()
    await walker.does("Signed Up")
    await walker.waits(days=60)
    for _ in range(3):
        await walker.visits("Pricing")
    return [*JOINED, Line("Signed Up"), *[VISIT] * 3]


async def visits_once_a_week(walker: Walker) -> list[Line]:
    await walker.signs_up()
    for _ in range(3):
        await walker.visits("Pricing")
        await walker.waits(days=7)
    return [*JOINED, *[VISIT] * 3]


async def test_visitors_of_the_prices_are_offered_help(example: ExampleHarness) -> None:
    await example.compute()
    await example.publish("pricing-visits")
    timelines, wanted = await example.play(
        stays_unknown,
        leaves_an_address,
        visits_unknown_and_known,
        signs_up_after_the_chat,
        has_signed_up_long_ago,
        visits_once_a_week,
    )
    assert timelines == wanted
