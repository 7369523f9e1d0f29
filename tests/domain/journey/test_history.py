"""Events of the past start nothing: those that are too old, and those that are marked as history."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from domain.campaign.rules import EntryRule, EventRule, GoalRule
from domain.journey.matching import ProfileEvent
from tests.domain.journey.routing_harness import (
    BEFORE,
    HAPPENINGS,
    NOON,
    ONE,
    ONE_BEFORE,
    THREE,
    TICK,
    TWO,
    RoutingHarness,
    campaign,
    journey,
    reasons,
    track,
)

DAY = timedelta(days=1)
ORDERED = EventRule("Order Completed")


def of_the_past(profile_event: ProfileEvent) -> ProfileEvent:
    return ProfileEvent(profile_event.profile_id, replace(profile_event.event, is_history=True))


@pytest.mark.parametrize(
    ("max_age", "age", "reason"),
    [
        (None, timedelta(0), None),
        (None, DAY, None),
        (None, DAY + TICK, "too_old"),
        (None, timedelta(days=900), "too_old"),
        (None, -timedelta(minutes=5), None),
        (3_600, timedelta(hours=1), None),
        (3_600, timedelta(hours=1) + TICK, "too_old"),
        (30 * 86_400, timedelta(days=30), None),
        (30 * 86_400, timedelta(days=30) + TICK, "too_old"),
    ],
)
def test_an_entry_has_an_age_limit(max_age: int | None, age: timedelta, reason: str | None) -> None:
    entry = EntryRule("Cart Abandoned") if max_age is None else EntryRule("Cart Abandoned", max_age=max_age)
    routed = RoutingHarness(campaign(entry=entry)).take(track("Cart Abandoned", at=NOON - age))
    assert reasons(routed) == [reason]
    assert len(routed.entered) == (reason is None)
    if reason is not None:
        [decision] = routed.decisions
        assert decision.data == {"timestamp": NOON - age, "max_age_seconds": max_age or 86_400}


def test_an_old_one_that_does_not_meet_the_condition_is_not_too_old() -> None:
    harness = RoutingHarness(campaign(entry=EntryRule("Cart Abandoned", "event.properties.value > 100")))
    assert reasons(harness.take(track("Cart Abandoned", at=NOON - 2 * DAY, value=1))) == []
    assert reasons(harness.take(track("Cart Abandoned", at=NOON - 2 * DAY, value=101))) == ["too_old"]


def test_an_exit_counts_at_any_age() -> None:
    harness = RoutingHarness(campaign(exits=[ORDERED])).add(journey(track("Cart Abandoned")))
    assert len(harness.take(track("Order Completed", at=NOON - 900 * DAY)).exits) == 1


def test_history_lets_nobody_in() -> None:
    harness = RoutingHarness(campaign())
    assert reasons(harness.take(of_the_past(track("Cart Abandoned")))) == ["history"]
    assert reasons(harness.take(track("Cart Abandoned"))) == [None]


def test_history_ends_a_journey_and_is_no_goal_of_it() -> None:
    goal = GoalRule("Order Completed", 3_600, exits=True)
    for exits, reached in (([ORDERED], None), ([], goal), ([ORDERED], goal)):
        harness = RoutingHarness(campaign(exits=exits, goal=reached)).add(journey(track("Cart Abandoned")))
        routed = harness.take(of_the_past(track("Order Completed")))
        assert [left.reason for left in routed.exits.values()] == ["exit_event"]
        assert routed.conversions == []


def test_no_wait_hears_history() -> None:
    harness = RoutingHarness(campaign(hears={"w/0": EventRule("Seen")})).add(journey(track("Cart Abandoned")))
    assert harness.take(of_the_past(track("Seen"))).matches == []
    assert len(harness.take(track("Seen")).matches) == 1


def test_no_goal_is_reached_by_history_that_was_received_before_the_entry() -> None:
    goal = GoalRule("Order Completed", 3_600)
    later = track("Order Completed", at=NOON + TICK)
    assert len(goal_first(later, goal)) == 1
    assert goal_first(of_the_past(later), goal) == []


def goal_first(order: ProfileEvent, goal: GoalRule) -> list[object]:
    harness = RoutingHarness(campaign(goal=goal))
    harness.take(order)
    return [*harness.take(track("Cart Abandoned"), after=timedelta(minutes=1)).conversions]


def test_history_that_happened_after_the_entry_keeps_out() -> None:
    harness = RoutingHarness(campaign(exits=[ORDERED]))
    harness.take(of_the_past(track("Order Completed", at=NOON + TICK)))
    assert reasons(harness.take(track("Cart Abandoned"))) == ["exit_event_came_first"]


@settings(max_examples=60)
@given(HAPPENINGS)
def test_history_does_nothing_but_end(profile_events: list[ProfileEvent]) -> None:
    """Whatever comes: the journeys that were there end by the same events as if these were of today."""
    before = [one for one in profile_events if one.event.name != "Enter"]
    as_history = RoutingHarness(ONE, TWO, THREE, older=[ONE_BEFORE]).add(BEFORE).take(*map(of_the_past, before))
    as_today = RoutingHarness(ONE, TWO, THREE, older=[ONE_BEFORE]).add(BEFORE).take(*before)
    assert (as_history.entered, as_history.matches, as_history.conversions) == ([], [], [])
    assert {one.reason for one in as_history.decisions} <= {"history", "condition", "no_key"}
    ended = {id: left.event.id for id, left in as_today.exits.items() if id == BEFORE.id}
    assert {id: left.event.id for id, left in as_history.exits.items()} == ended
