"""People of each tier: who use it, who order without it, who climb and fall, and who have had enough mails that day."""

from datetime import UTC, datetime, time, timedelta

from cli.demo.zones import zone_where_it_is
from tests.examples.harness import ExampleHarness, Line, Walker, next_clock, sent

DAY = timedelta(days=1)
REACHED = Line("Loyalty Tier Reached")
ENTERED = Line("entered loyalty-tier")
KEPT = Line("keep: set loyalty_tier, loyalty_tier_since")
OTHERWISE = Line("is-highest: otherwise")
BEGUN = [REACHED, ENTERED, KEPT]
OVER = "loyalty-tier is over"


def celebrated(tier: str, at: datetime) -> list[Line]:
    return sent("celebrate", "loyalty-tier", f"You are {tier} now", at)


async def reaches(walker: Walker, tier: str, **traits: object) -> datetime:
    """When they entered."""
    await walker.signs_up(**traits)
    await walker.does("Loyalty Tier Reached", tier=tier)
    return await walker.time_of(ENTERED.text)


async def uses_a_benefit(walker: Walker) -> list[Line]:
    since = await reaches(walker, "silver")
    await walker.waits(days=5)
    await walker.does("Benefit Used")
    return [
        *(Line("identify"), *BEGUN, *celebrated("Silver", since), OTHERWISE),
        Line("Benefit Used"),
        Line("reached the goal of loyalty-tier: Benefit Used, after celebrate"),
        Line(f"{OVER}: engaged"),
    ]


async def orders_without_using_one(walker: Walker) -> list[Line]:
    walker.timezone = zone_where_it_is(11, datetime.now(UTC))
    since = await reaches(walker, "gold")
    await walker.waits(days=2)
    await walker.does("Order Completed")
    await walker.waits(days=1)
    told = await walker.time_of("missed: granted, by smtp")
    ordered = await walker.time_of("Order Completed")
    assert timedelta(hours=3) <= told - ordered <= timedelta(hours=6, minutes=1)
    return [
        *(Line("identify"), *BEGUN, *celebrated("Gold", since), OTHERWISE),
        Line("Order Completed"),
        *sent("missed", "loyalty-missed", "You could have had that delivered free", told),
        Line(f"{OVER}: told", told),
    ]


async def does_nothing_at_the_top(walker: Walker) -> list[Line]:
    since = await reaches(walker, "platinum")
    await walker.waits(days=22)
    return [
        *(Line("identify"), *BEGUN, *celebrated("Platinum", since)),
        Line("is-highest: case 1"),
        *sent("tell-concierge", "loyalty-concierge", "assign_concierge", since, channel="webhook"),
        *sent("remind", "loyalty-benefits", "Your Platinum benefits are waiting", since + 21 * DAY),
        Line(f"{OVER}: completed", since + 21 * DAY),
    ]


async def climbs_and_falls_at_night(walker: Walker) -> list[Line]:
    """What was to be celebrated in the morning is old news by then. The tier that is lost is the one that they have."""
    walker.timezone = zone_where_it_is(2, datetime.now(UTC))
    since = await reaches(walker, "silver")
    await walker.sees("celebrate: deferred: send_window")
    await walker.does("Loyalty Tier Reached", tier="gold")
    await walker.waits(days=1)
    await walker.does("Loyalty Tier Lost", tier="silver")
    await walker.waits(days=1)
    await walker.does("Loyalty Tier Lost", tier="gold")
    return [
        *(Line("identify"), *BEGUN, Line("celebrate: deferred: send_window", since)),
        *(REACHED, Line("left loyalty-tier: ended by Loyalty Tier Reached"), ENTERED, KEPT),
        Line("celebrate: deferred: send_window", since),
        *celebrated("Gold", next_clock(since, walker.timezone, time(9))),
        OTHERWISE,
        Line("Loyalty Tier Lost"),
        *(Line("Loyalty Tier Lost"), Line("left loyalty-tier: ended by Loyalty Tier Lost")),
    ]


async def has_had_enough_mails(walker: Walker) -> list[Line]:
    """The celebration comes all the same."""
    await walker.signs_up()
    promoted = await walker.gets_two_mails()
    await walker.does("Loyalty Tier Reached", tier="silver")
    since = await walker.time_of(ENTERED.text)
    await walker.waits(days=1)
    await walker.does("Benefit Used")
    return [
        *(Line("identify"), *promoted, *BEGUN, *celebrated("Silver", since), OTHERWISE),
        Line("Benefit Used"),
        Line("reached the goal of loyalty-tier: Benefit Used, after celebrate"),
        Line(f"{OVER}: engaged"),
    ]


async def reaches_the_same_again_and_one_that_is_none(walker: Walker) -> list[Line]:
    await reaches(walker, "silver")
    await walker.sees(OTHERWISE.text)
    await walker.does("Benefit Used")
    await walker.comes_to_an_end()
    await walker.does("Loyalty Tier Reached", tier="silver")
    await walker.does("Loyalty Tier Reached", tier="bronze")
    since = await walker.time_of(ENTERED.text)
    return [
        *(Line("identify"), *BEGUN, *celebrated("Silver", since), OTHERWISE),
        Line("Benefit Used"),
        Line("reached the goal of loyalty-tier: Benefit Used, after celebrate"),
        Line(f"{OVER}: engaged"),
        *(REACHED, Line("not let into loyalty-tier: reentry_after")),
        *(REACHED, Line("not let into loyalty-tier: condition")),
    ]


async def test_tiers_are_celebrated(example: ExampleHarness) -> None:
    await example.publish("loyalty-tier")
    timelines, wanted = await example.play(
        uses_a_benefit,
        orders_without_using_one,
        does_nothing_at_the_top,
        climbs_and_falls_at_night,
        has_had_enough_mails,
        reaches_the_same_again_and_one_that_is_none,
    )
    assert timelines == wanted
    [kept] = await example.harness.query("SELECT traits FROM profiles WHERE user_id = 'climbs-and-falls-at-night'")
    assert kept["traits"]["loyalty_tier"] == "gold"
