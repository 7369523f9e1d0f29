"""Reports that are not opened in the app, opened there, viewed meanwhile, and ready for people without an address."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from cli.demo.zones import zone_where_it_is
from tests.examples.harness import ExampleHarness, Line, Walker, next_clock, opened, sent

SIX_HOURS = timedelta(hours=6)
ENTERED = "entered weekly-report"
BEGUN = [Line("identify"), Line("Report Ready"), Line(ENTERED)]
OVER = Line("weekly-report is over: completed")
MAIL = "ready.fallback: email weekly-report.email sent “Your report of the week”"
GRANTED = "ready.fallback: granted, by smtp, on email (webhook: sent before)"


async def has_a_report(walker: Walker, hour: int = 10, **traits: None) -> Sequence[Line]:
    """In the morning, unless a story has it at another hour."""
    walker.timezone = zone_where_it_is(hour, datetime.now(UTC))
    await walker.signs_up(**traits)
    await walker.does("Report Ready", report_id="r1", report_url="https://app.example.com/reports/r1")
    shown = "ready: webhook weekly-report.webhook sent “show_report”"
    await walker.sees(shown)
    at = await walker.time_of(ENTERED)
    return sent("ready", "weekly-report.webhook", "show_report", at, channel="webhook")


async def does_not_open_it(walker: Walker) -> list[Line]:
    shown = await has_a_report(walker)
    at = await walker.time_of(ENTERED)
    await walker.waits(hours=6)
    return [*BEGUN, *shown, Line(GRANTED, at + SIX_HOURS), Line(MAIL), OVER]


async def opens_it_in_the_app(walker: Walker) -> list[Line]:
    shown = await has_a_report(walker)
    await walker.waits(hours=1)
    await walker.opens("ready")
    return [
        *BEGUN,
        *opened("ready", shown),
        Line("Email Opened"),
        Line("ready.fallback: refused: not_needed"),
        OVER,
    ]


async def views_the_report_before_the_mail(walker: Walker) -> list[Line]:
    """It would have gone in the morning, since six hours later it was night."""
    shown = await has_a_report(walker, hour=18)
    at = await walker.time_of(ENTERED)
    await walker.waits(hours=6)
    await walker.sees("ready.fallback: deferred: send_window")
    await walker.does("Report Viewed")
    return [
        *BEGUN,
        *shown,
        Line("ready.fallback: deferred: send_window", at + SIX_HOURS),
        Line("Report Viewed"),
        Line("left weekly-report: ended by Report Viewed"),
    ]


async def does_not_open_it_in_the_evening(walker: Walker) -> list[Line]:
    shown = await has_a_report(walker, hour=18)
    at = await walker.time_of(ENTERED) + SIX_HOURS
    await walker.waits(hours=16)
    return [
        *BEGUN,
        *shown,
        Line("ready.fallback: deferred: send_window", at),
        Line(GRANTED, next_clock(at, walker.timezone, time(9))),
        Line(MAIL),
        OVER,
    ]


async def has_no_address(walker: Walker) -> list[Line]:
    """There is no mail to wait for."""
    shown = await has_a_report(walker, email=None)
    return [*BEGUN, *shown, OVER]


async def test_everyone_gets_what_the_campaign_says(example: ExampleHarness) -> None:
    await example.publish("weekly-report")
    told, wanted = await example.play(
        does_not_open_it,
        opens_it_in_the_app,
        views_the_report_before_the_mail,
        does_not_open_it_in_the_evening,
        has_no_address,
    )
    assert told == wanted
