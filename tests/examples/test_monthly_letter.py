"""Those who want a letter on its day: one reads it, others miss it, cancel it overnight, or do not want it at all."""

import asyncio
from datetime import UTC, datetime, time, timedelta

from cli.demo.zones import zone_where_it_is
from tests.examples.harness import ExampleHarness, Line, Walker, next_clock, opened, sent

EVERYBODY = 4
SETTLED = timedelta(days=4)
BEGUN = [Line("identify"), Line("entered monthly-letter with its audience")]
NEWS, MISSED = "What is new this month", "In case you missed it: this month’s letter"


async def test_letters_are_read_missed_and_cancelled(example: ExampleHarness) -> None:
    await example.publish("monthly-letter")
    schedule = await example.harness.schedule("monthly-letter")
    signed_up = asyncio.Barrier(EVERYBODY)

    async def the_day_comes() -> None:
        """Once all have signed up; the schedule is triggered by hand, as none can wait for the first of a month."""
        if await signed_up.wait() == 0:
            await schedule.trigger()

    async def enters(walker: Walker) -> datetime:
        await walker.signs_up(letters="monthly")
        await the_day_comes()
        await walker.sees(BEGUN[-1].text)
        return await walker.time_of(BEGUN[-1].text)

    async def reads_it(walker: Walker) -> list[Line]:
        at = await enters(walker)
        await walker.sees(f"letter: email monthly-letter sent “{NEWS}”")
        await walker.opens("letter")
        await walker.does("Order Completed")
        await walker.waits(days=4)
        return [
            *(*BEGUN, *opened("letter", sent("letter", "monthly-letter", NEWS, at))),
            *(Line("Email Opened"), Line("Order Completed")),
            Line("reached the goal of monthly-letter: Order Completed, after letter"),
            *(Line("missed: otherwise", at + SETTLED), Line("monthly-letter is over: completed", at + SETTLED)),
        ]

    async def misses_it(walker: Walker) -> list[Line]:
        at = await enters(walker)
        await walker.waits(days=4)
        return [
            *(*BEGUN, *sent("letter", "monthly-letter", NEWS, at)),
            Line("missed: case 1", at + SETTLED),
            *sent("once-more", "monthly-letter-again", MISSED, at + SETTLED),
            Line("monthly-letter is over: completed", at + SETTLED),
        ]

    async def cancels_it_overnight(walker: Walker) -> list[Line]:
        walker.timezone = zone_where_it_is(2, datetime.now(UTC))
        at = await enters(walker)
        await walker.waits(hours=1)
        await walker.does("Letters Cancelled")
        assert next_clock(at, walker.timezone, time(8)) > at + timedelta(hours=1)
        return [
            *(*BEGUN, Line("letter: deferred: send_window", at)),
            *(Line("Letters Cancelled"), Line("left monthly-letter: ended by Letters Cancelled")),
        ]

    async def does_not_want_it(walker: Walker) -> list[Line]:
        await walker.signs_up(letters="never")
        await the_day_comes()
        await example.harness.until("SELECT 1 FROM operations WHERE kind = 'enrol' AND state = 'done'")
        return [Line("identify")]

    timelines, wanted = await example.play(reads_it, misses_it, cancels_it_overnight, does_not_want_it)
    assert timelines == wanted
