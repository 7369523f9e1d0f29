"""A sale that is bought in, slept through, not heard of, and over."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cli.demo.zones import zone_where_it_is
from tests.examples.harness import ExampleHarness, Line, Walker, next_clock, sent

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ARMS = {"percent": 45, "shipping": 45, "holdout": 10}
TITLES = {"percent": "Fifteen percent off, until Monday", "shipping": "Free delivery for everything, until Monday"}
JOINED = Line("Audience Entered")
ENTERED = Line("entered promotion")
BOUGHT = Line("Order Completed")


def dates(last_day: date, ends_at: datetime) -> dict[str, str]:
    """What the file says, and dates of these days instead."""
    return {
        "starts_at: 2026-11-26T00:00:00+01:00": "starts_at: 2026-01-01T00:00:00Z",
        "ends_at: 2026-12-01T00:00:00+01:00": f"ends_at: {ends_at.isoformat()}",
        '"2026-11-30"': f'"{last_day}"',
    }


async def joins(walker: Walker, arm: str) -> None:
    """The audience, to be sent this way of the split."""
    await walker.drawn_as(arm, "november-2026", ARMS)
    await walker.does("Audience Entered", audience="november-sale")


def begun(arm: str) -> list[Line]:
    return [Line("identify"), JOINED, ENTERED, Line(f"version: {arm}")]


def announced(arm: str, at: datetime) -> list[Line]:
    return sent(f"announce-{arm}", f"promotion-{arm}", TITLES[arm], at)


def called(last_day: date, since: datetime, timezone: str, *, capped: bool = False) -> list[Line]:
    at = datetime.combine(last_day, time(10), ZoneInfo(timezone))
    return [
        *(Line("last-day: waiting", since), Line("last-day: over", at)),
        *(
            [Line("last-call: refused: capped", at)]
            if capped
            else sent("last-call", "promotion-last-call", "The sale ends tonight", at)
        ),
        Line("promotion is over: completed", at),
    ]


async def test_a_sale_goes_its_way(example: ExampleHarness) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    last_day = datetime.now(berlin).date() + 5 * DAY
    await example.publish("promotion", dates(last_day, datetime.combine(last_day + DAY, time(), berlin)))

    async def buys(walker: Walker) -> list[Line]:
        await joins(walker, "percent")
        await walker.waits(days=1)
        await walker.does("Order Completed")
        since = await walker.time_of(ENTERED.text)
        return [
            *(*begun("percent"), *announced("percent", since), Line("last-day: waiting", since)),
            *(BOUGHT, Line("left promotion: Order Completed is its goal")),
            Line("reached the goal of promotion: Order Completed, after announce-percent (version percent)"),
        ]

    async def does_not_buy(walker: Walker) -> list[Line]:
        await joins(walker, "shipping")
        await walker.waits(days=6)
        since = await walker.time_of(ENTERED.text)
        return [*begun("shipping"), *announced("shipping", since), *called(last_day, since, walker.timezone)]

    async def hears_nothing_and_buys(walker: Walker) -> list[Line]:
        await joins(walker, "holdout")
        await walker.sees("promotion is over: holdout")
        await walker.waits(days=2)
        await walker.does("Order Completed")
        return [
            *(*begun("holdout"), Line("promotion is over: holdout")),
            *(BOUGHT, Line("reached the goal of promotion: Order Completed (version holdout)")),
        ]

    async def joins_at_night(walker: Walker) -> list[Line]:
        walker.timezone = zone_where_it_is(2, datetime.now(UTC))
        await joins(walker, "shipping")
        await walker.waits(days=6)
        since = await walker.time_of(ENTERED.text)
        at = next_clock(since, walker.timezone, time(9))
        return [
            *(*begun("shipping"), Line("announce-shipping: deferred: send_window", since)),
            *announced("shipping", at),
            *called(last_day, at, walker.timezone),
        ]

    async def has_had_enough_mails(walker: Walker) -> list[Line]:
        """For a day, and with the announcement for a week."""
        await walker.drawn_as("percent", "november-2026", ARMS)
        promoted = await walker.gets_two_mails()
        await walker.does("Audience Entered", audience="november-sale")
        await walker.waits(days=6)
        at = await walker.time_of("promo: granted, by smtp") + DAY
        return [
            *(Line("identify"), *promoted, *begun("percent")[1:], Line("announce-percent: deferred: capped")),
            *announced("percent", at),
            *called(last_day, at, walker.timezone, capped=True),
        ]

    async def joins_another_audience_and_then_twice(walker: Walker) -> list[Line]:
        await walker.drawn_as("holdout", "november-2026", ARMS)
        await walker.does("Audience Entered", audience="newsletter")
        await walker.does("Audience Entered", audience="november-sale")
        await walker.sees("promotion is over: holdout")
        await walker.does("Audience Entered", audience="november-sale")
        return [
            *(Line("identify"), JOINED, Line("not let into promotion: condition")),
            *(*begun("holdout")[1:], Line("promotion is over: holdout")),
            *(JOINED, Line("not let into promotion: reentry_never")),
        ]

    timelines, wanted = await example.play(
        buys,
        does_not_buy,
        hears_nothing_and_buys,
        joins_at_night,
        has_had_enough_mails,
        joins_another_audience_and_then_twice,
    )
    assert timelines == wanted


async def test_at_its_end_it_is_over_for_everybody(example: ExampleHarness) -> None:
    ends_at = datetime.now(UTC).replace(microsecond=0) + 2 * HOUR
    tomorrow = ends_at.date() + 2 * DAY
    await example.publish("promotion", dates(tomorrow, ends_at))
    over = Line("promotion is over: schedule-ended", ends_at)

    async def waits_for_the_last_day(walker: Walker) -> list[Line]:
        await joins(walker, "percent")
        await walker.waits(days=4)
        since = await walker.time_of(ENTERED.text)
        return [*begun("percent"), *announced("percent", since), Line("last-day: waiting", since), over]

    async def would_be_written_to_in_the_morning(walker: Walker) -> list[Line]:
        walker.timezone = zone_where_it_is(2, datetime.now(UTC))
        await joins(walker, "shipping")
        await walker.waits(days=4)
        await walker.does("Order Completed")
        since = await walker.time_of(ENTERED.text)
        return [
            *(*begun("shipping"), Line("announce-shipping: refused: send_window", since)),
            *(Line("last-day: waiting", since), over),
            *(BOUGHT, Line("reached the goal of promotion: Order Completed (version shipping)")),
        ]

    timelines, wanted = await example.play(waits_for_the_last_day, would_be_written_to_in_the_morning)
    assert timelines == wanted
