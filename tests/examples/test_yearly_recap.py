"""People who look at their year at once, before the mail, after the second one, or never; and some who have none."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cli.demo.zones import zone_where_it_is
from tests.examples.harness import WEEKEND, ExampleHarness, Line, Walker, next_clock, opened, sent

DAY = timedelta(days=1)
FIVE, THURSDAY = time(17), 3
READY = Line("Recap Ready")
ENTERED = Line("entered yearly-recap")
BEGUN = [Line("identify"), READY, ENTERED]


async def is_counted(walker: Walker, release_on: date, orders: int = 12, year: int = 2026) -> None:
    await walker.does("Recap Ready", year=year, orders=orders, favourite="tea", release_on=release_on.isoformat())


def in_days(walker: Walker, days: int) -> date:
    """The date so many days from today where they live."""
    return walker.now().astimezone(ZoneInfo(walker.timezone)).date() + days * DAY


async def recap(walker: Walker, earliest: datetime) -> tuple[list[Line], datetime]:
    """The lines of the first mail, which goes within two hours, and when it went."""
    at = await walker.time_of("recap: granted, by smtp")
    assert timedelta(minutes=1) <= at - earliest <= timedelta(hours=2, minutes=1)
    return sent("recap", "recap", "Ada, your 2026 in one page", at), at


async def released(walker: Walker, day: date) -> tuple[list[Line], datetime]:
    """The lines until the first mail has gone, and when it went."""
    at = datetime.combine(day, FIVE, ZoneInfo(walker.timezone))
    since = await walker.time_of(ENTERED.text)
    mail, sent_at = await recap(walker, at)
    return [*BEGUN, Line("release: waiting", since), Line("release: over", at), *mail], sent_at


def once_more(since: datetime, timezone: str) -> list[Line]:
    at = next_clock(since, timezone, FIVE, WEEKEND)
    return [
        Line("missed: case 1", since),
        *(Line("weekend: waiting", since), Line("weekend: over", at)),
        *sent("once-more", "recap-again", "12 orders, one page: have you seen it?", at),
        Line("yearly-recap is over: completed", at),
    ]


async def overlooks_it(walker: Walker) -> list[Line]:
    """From a Thursday on, so that two days later it is past five on a Saturday: the Sunday is next."""
    await walker.signs_up()
    day = next(day for day in (in_days(walker, days) for days in range(14, 21)) if day.weekday() == THURSDAY)
    await is_counted(walker, day)
    await walker.waits(days=32)
    lines, at = await released(walker, day)
    return [*lines, *once_more(at + 2 * DAY, walker.timezone)]


async def opens_it_and_does_not_care(walker: Walker) -> list[Line]:
    walker.timezone = "Pacific/Auckland"
    await walker.signs_up()
    day = in_days(walker, 20)
    await is_counted(walker, day)
    await walker.waits(days=21, hours=12)
    await walker.opens("recap")
    await walker.waits(days=5)
    lines, at = await released(walker, day)
    return [
        *opened("recap", lines),
        Line("Email Opened"),
        Line("missed: otherwise", at + 2 * DAY),
        Line("yearly-recap is over: completed", at + 2 * DAY),
    ]


async def looks_and_shares(walker: Walker) -> list[Line]:
    """Of the year before as well, which changes nothing."""
    walker.timezone = "America/Los_Angeles"
    await walker.signs_up()
    day = in_days(walker, 20)
    await is_counted(walker, day)
    await walker.waits(days=21, hours=12)
    await walker.does("Recap Viewed", year=2025)
    await walker.does("Recap Viewed", year=2026)
    await walker.does("Recap Shared", year=2026)
    lines, _ = await released(walker, day)
    return [
        *lines,
        Line("Recap Viewed"),
        *(Line("Recap Viewed"), Line("left yearly-recap: ended by Recap Viewed")),
        *(Line("Recap Shared"), Line("reached the goal of yearly-recap: Recap Shared, after recap")),
    ]


async def finds_it_before_the_mail(walker: Walker) -> list[Line]:
    await walker.signs_up()
    await is_counted(walker, in_days(walker, 20))
    await walker.waits(days=18)
    await walker.does("Recap Viewed", year=2026)
    since = await walker.time_of(ENTERED.text)
    return [
        *(*BEGUN, Line("release: waiting", since)),
        *(Line("Recap Viewed"), Line("left yearly-recap: ended by Recap Viewed")),
    ]


async def is_counted_too_late_and_at_night(walker: Walker) -> list[Line]:
    walker.timezone = zone_where_it_is(2, datetime.now(UTC))
    await walker.signs_up()
    await is_counted(walker, in_days(walker, -2))
    await walker.waits(days=14)
    since = await walker.time_of(ENTERED.text)
    due = await walker.time_of("recap: deferred: send_window")
    assert timedelta(minutes=1) <= due - since <= timedelta(hours=2, minutes=1)
    at = next_clock(since, walker.timezone, time(16))
    return [
        *(*BEGUN, Line("release: past", since)),
        Line("recap: deferred: send_window", due),
        *sent("recap", "recap", "Ada, your 2026 in one page", at),
        *once_more(at + 2 * DAY, walker.timezone),
    ]


async def hardly_came_and_is_counted_twice_the_next_year(walker: Walker) -> list[Line]:
    await walker.signs_up()
    await is_counted(walker, in_days(walker, 20), orders=2)
    await is_counted(walker, in_days(walker, 20), year=2027)
    await walker.waits(minutes=1)
    await walker.does("Recap Viewed", year=2027)
    await is_counted(walker, in_days(walker, 20), year=2027)
    return [
        *(Line("identify"), READY, Line("not let into yearly-recap: condition")),
        *(READY, ENTERED, Line("release: waiting")),
        *(Line("Recap Viewed"), Line("left yearly-recap: ended by Recap Viewed")),
        *(READY, Line("not let into yearly-recap: reentry_never")),
    ]


async def test_years_are_recapped(example: ExampleHarness) -> None:
    await example.publish("yearly-recap")
    timelines, wanted = await example.play(
        overlooks_it,
        opens_it_and_does_not_care,
        looks_and_shares,
        finds_it_before_the_mail,
        is_counted_too_late_and_at_night,
        hardly_came_and_is_counted_twice_the_next_year,
    )
    assert timelines == wanted
