"""Trials that are used or not, extended, short, end at night, or become subscriptions, soon or late."""

from datetime import datetime, time, timedelta

from tests.examples.harness import ExampleHarness, Line, Walker, next_clock, sent

DAY = timedelta(days=1)
STARTED = [Line("identify"), Line("Trial Started"), Line("entered trial-ending")]
USED = [*STARTED, Line("Feature Used")]
COMPLETED = Line("trial-ending is over: completed")


async def starts(walker: Walker, ends_at: datetime) -> None:
    await walker.signs_up(trial_ends_at=ends_at.isoformat(), plan="team")
    await walker.does("Trial Started")


def extension(at: datetime) -> list[Line]:
    return sent("offer-extension", "trial-extension", "Seven more days for your trial, Ada", at)


def asked(at: datetime) -> list[Line]:
    return sent("ask-to-subscribe", "trial-subscribe", "Keep what you built during your trial", at)


def told(at: datetime) -> list[Line]:
    return sent("tell-crm", "trial-crm", "trial_ending", at, channel="webhook")


def rested(step: str, since: datetime, until: datetime) -> list[Line]:
    return [Line(f"{step}: waiting", since), Line(f"{step}: over", until)]


async def uses_it(walker: Walker) -> list[Line]:
    ends_at = walker.now() + 14 * DAY
    await starts(walker, ends_at)
    await walker.waits(days=1)
    await walker.does("Feature Used")
    await walker.waits(days=14)
    return [
        *USED,
        *rested("three-days-left", await walker.time_of("entered trial-ending") + DAY, ends_at - 3 * DAY),
        *asked(ends_at - 3 * DAY),
        *rested("one-day-left", ends_at - 3 * DAY, ends_at - DAY),
        *told(ends_at - DAY),
        COMPLETED,
    ]


async def does_not_use_it_and_extends(walker: Walker) -> list[Line]:
    ends_at = walker.now() + 14 * DAY
    await starts(walker, ends_at)
    await walker.waits(days=8)
    later = ends_at + 7 * DAY
    await walker.changes(trial_ends_at=later.isoformat())
    await walker.waits(days=14)
    entered_at = await walker.time_of("entered trial-ending")
    return [
        *STARTED,
        *extension(entered_at + 7 * DAY),
        Line("three-days-left: waiting", entered_at + 7 * DAY),
        Line("identify"),
        *rested("three-days-left", ends_at - 3 * DAY, later - 3 * DAY),
        *asked(later - 3 * DAY),
        *rested("one-day-left", later - 3 * DAY, later - DAY),
        *told(later - DAY),
        COMPLETED,
    ]


async def subscribes_and_tries_again(walker: Walker) -> list[Line]:
    await starts(walker, walker.now() + 14 * DAY)
    await walker.waits(days=3)
    await walker.does("Subscription Started")
    await walker.does("Trial Started")
    return [
        *STARTED,
        Line("Subscription Started"),
        Line("left trial-ending: ended by Subscription Started"),
        Line("reached the goal of trial-ending: Subscription Started"),
        Line("Trial Started"),
        Line("not let into trial-ending: reentry_never"),
    ]


async def cancels_and_subscribes_after_all(walker: Walker) -> list[Line]:
    await starts(walker, walker.now() + 14 * DAY)
    await walker.waits(days=8)
    await walker.does("Trial Cancelled")
    walker.ahead += 21 * DAY
    await walker.does("Subscription Started")
    entered_at = await walker.time_of("entered trial-ending")
    return [
        *STARTED,
        *extension(entered_at + 7 * DAY),
        Line("three-days-left: waiting", entered_at + 7 * DAY),
        Line("Trial Cancelled"),
        Line("left trial-ending: ended by Trial Cancelled"),
        Line("Subscription Started"),
        Line("reached the goal of trial-ending: Subscription Started, after offer-extension"),
    ]


async def has_had_enough_mails_when_it_is_time_for_the_offer(walker: Walker) -> list[Line]:
    ends_at = walker.now() + 14 * DAY
    await starts(walker, ends_at)
    offered_at = await walker.time_of("entered trial-ending") + 7 * DAY
    promoted = await walker.gets_two_mails(offered_at - timedelta(hours=2))
    await walker.waits(days=9)
    await walker.does("Subscription Started")
    put_off_to = await walker.time_of("promo: granted, by smtp") + DAY
    return [
        *STARTED,
        *promoted,
        Line("offer-extension: deferred: capped", offered_at),
        *extension(put_off_to),
        Line("three-days-left: waiting", put_off_to),
        Line("Subscription Started"),
        Line("left trial-ending: ended by Subscription Started"),
        Line("reached the goal of trial-ending: Subscription Started, after offer-extension"),
    ]


async def has_had_enough_mails_and_a_short_trial(walker: Walker) -> list[Line]:
    ends_at = walker.now() + 3 * DAY + timedelta(hours=1)
    await starts(walker, ends_at)
    promoted = await walker.gets_two_mails()
    await walker.does("Feature Used")
    await walker.waits(days=3)
    return [
        *STARTED,
        *promoted,
        Line("Feature Used"),
        *rested("three-days-left", await walker.time_of("entered trial-ending"), ends_at - 3 * DAY),
        *asked(ends_at - 3 * DAY),
        *rested("one-day-left", ends_at - 3 * DAY, ends_at - DAY),
        *told(ends_at - DAY),
        COMPLETED,
    ]


async def has_a_trial_of_two_days(walker: Walker) -> list[Line]:
    ends_at = walker.now() + 2 * DAY
    await starts(walker, ends_at)
    await walker.does("Feature Used")
    await walker.waits(days=2)
    entered_at = await walker.time_of("entered trial-ending")
    return [
        *USED,
        Line("three-days-left: past", entered_at),
        *rested("one-day-left", entered_at, ends_at - DAY),
        *told(ends_at - DAY),
        COMPLETED,
    ]


async def has_a_trial_that_ends_at_night(walker: Walker) -> list[Line]:
    night = next_clock(walker.now() + 10 * DAY, walker.timezone, time(3))
    morning = next_clock(night, walker.timezone, time(9))
    await starts(walker, night + 3 * DAY)
    await walker.does("Feature Used")
    await walker.waits(days=14)
    return [
        *USED,
        *rested("three-days-left", await walker.time_of("entered trial-ending"), night),
        Line("ask-to-subscribe: deferred: send_window", night),
        *asked(morning),
        *rested("one-day-left", morning, night + 2 * DAY),
        # A machine is called at any hour.
        *told(night + 2 * DAY),
        COMPLETED,
    ]


async def test_trials_come_to_their_ends(example: ExampleHarness) -> None:
    await example.publish("trial-ending")
    timelines, wanted = await example.play(
        uses_it,
        does_not_use_it_and_extends,
        subscribes_and_tries_again,
        cancels_and_subscribes_after_all,
        has_had_enough_mails_when_it_is_time_for_the_offer,
        has_had_enough_mails_and_a_short_trial,
        has_a_trial_of_two_days,
        has_a_trial_that_ends_at_night,
    )
    assert timelines == wanted
