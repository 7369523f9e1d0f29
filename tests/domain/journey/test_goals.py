from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.campaign.rules import EntryRule, EventRule, GoalRule
from domain.journey.listeners import Listeners
from domain.journey.matching import ProfileEvent
from domain.journey.records import Ending, Journey
from domain.journey.routing_result import RoutingResult
from domain.tracking.event import Event, Trigger
from tests.domain.journey.routing_harness import (
    BEFORE,
    BOB,
    BY_CART,
    HAPPENINGS,
    HOUR,
    LEFT,
    NOON,
    TICK,
    RoutingHarness,
    campaign,
    cut,
    event_id,
    is_about,
    journey,
    reasons,
    staged,
    track,
)

BOUGHT = GoalRule("Order Completed", within=3_600)


def reached(routed: RoutingResult) -> list[tuple[str, str]]:
    return [(one.journey.entry_key, one.event.message_id) for one in routed.conversions]


@pytest.mark.parametrize(
    ("after", "counts"),
    [(-TICK, False), (timedelta(0), True), (TICK, True), (HOUR, True), (HOUR + TICK, False)],
    ids=str,
)
def test_a_goal_counts_within_a_time_from_the_entry(after: timedelta, counts: bool) -> None:
    """By when things happened, whenever they are received."""
    harness = RoutingHarness(campaign(goal=BOUGHT))
    [entered] = harness.take(track("Cart Abandoned"), after=10 * HOUR).entered
    bought = track("Order Completed", at=NOON + after)
    routed = harness.take(bought, after=100 * HOUR)
    assert [(one.journey, one.event) for one in routed.conversions] == ([(entered, bought.event)] if counts else [])
    assert routed.exits == {}


def test_a_goal_counts_for_a_journey_that_is_over() -> None:
    harness = RoutingHarness(campaign(goal=BOUGHT, exits=[LEFT]))
    harness.take(track("Cart Abandoned"))
    harness.take(track("Left"))
    assert reached(harness.take(track("Order Completed", message_id="bought"))) == [("", "bought")]


def test_only_the_first_counts_once_a_journey() -> None:
    harness = RoutingHarness(campaign(goal=BOUGHT))
    harness.take(track("Cart Abandoned"))
    orders = [track("Order Completed", message_id=f"o{number}") for number in range(3)]
    assert reached(harness.take(*orders[:2])) == [("", "o0")]
    harness.take(orders[2])
    assert reached(harness.result) == [("", "o0")]


def test_a_goal_is_about_a_key_and_a_person() -> None:
    harness = RoutingHarness(campaign(entry=BY_CART, goal=BOUGHT))
    carts = [track("Cart Abandoned", cart="c1"), track("Cart Abandoned", cart="c2")]
    harness.take(*carts, track("Cart Abandoned", BOB, cart="c3"))
    harness.take(track("Order Completed", message_id="o1", cart="c2"))
    harness.take(track("Order Completed", message_id="o2"))
    harness.take(track("Order Completed", BOB, message_id="o3"))
    assert reached(harness.result) == [("c2", "o1"), ("c1", "o2"), ("c3", "o3")]


def test_a_goal_with_a_condition_goes_by_that() -> None:
    goal = GoalRule("Order Completed", 3_600, "event.properties.value >= entry.properties.value")
    harness = RoutingHarness(campaign(entry=BY_CART, goal=goal))
    harness.take(track("Cart Abandoned", cart="c1", value=10))
    assert reached(harness.take(track("Order Completed", cart="c1", value=9), track("Order Completed"))) == []
    assert reached(harness.take(track("Order Completed", message_id="o", cart="c2", value=10))) == [("c1", "o")]


def test_in_one_batch_a_journey_enters_and_reaches_its_goal() -> None:
    routed = RoutingHarness(campaign(goal=BOUGHT)).take(
        track("Cart Abandoned"), track("Order Completed", message_id="o")
    )
    assert reached(routed) == [("", "o")]
    assert len(routed.entered) == 1


@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize(("after", "counts"), [(TICK, True), (HOUR, True), (HOUR + TICK, False), (timedelta(0), False)])
def test_a_goal_that_overtook_the_entry_counts_from_it_on(batches: int, after: timedelta, counts: bool) -> None:
    harness = RoutingHarness(campaign(goal=BOUGHT))
    later = track("Order Completed", message_id="later", at=NOON + after + TICK)
    bought, abandoned = track("Order Completed", message_id="o", at=NOON + after), track("Cart Abandoned")
    for batch in [[later, bought, abandoned]] if batches == 1 else [[later, bought], [abandoned]]:
        harness.take(*batch)
    assert reasons(harness.result) == [None]
    found = "later" if after == timedelta(0) else "o"
    assert reached(harness.result) == ([("", found)] if counts or found == "later" else [])


def test_an_entry_is_not_its_own_goal() -> None:
    harness = RoutingHarness(campaign(goal=GoalRule("Cart Abandoned", 3_600)))
    assert reached(harness.take(track("Cart Abandoned"))) == []
    assert reached(harness.take(track("Cart Abandoned", message_id="again"))) == [("", "again")]


def test_the_exit_may_be_the_goal_as_well() -> None:
    harness = RoutingHarness(campaign(goal=BOUGHT, exits=[EventRule("Order Completed")]))
    harness.take(track("Cart Abandoned"))
    routed = harness.take(track("Order Completed", message_id="o"))
    assert [left.reason for left in routed.exits.values()] == ["exit_event"]
    assert reached(routed) == [("", "o")]


def test_after_an_exit_in_the_same_batch_the_goal_counts() -> None:
    harness = RoutingHarness(campaign(goal=BOUGHT, exits=[LEFT]))
    routed = harness.take(
        track("Cart Abandoned"), track("Left", at=NOON + TICK), track("Order Completed", at=NOON + HOUR)
    )
    assert (len(routed.exits), len(routed.conversions)) == (1, 1)


def test_a_goal_that_exits_ends_the_journey_as_a_goal() -> None:
    harness = RoutingHarness(campaign(entry=BY_CART, goal=GoalRule("Order Completed", 3_600, exits=True)))
    first, second = harness.take(track("Cart Abandoned", cart="c1"), track("Cart Abandoned", cart="c2")).entered
    routed = harness.take(track("Order Completed", message_id="o", cart="c1"))
    [left] = routed.exits.values()
    assert (left.reason, left.ending) == ("goal", Ending(first.id, "exited", "exited", str(event_id("o")), NOON))
    assert reached(routed) == [("c1", "o")]
    assert list(harness.active) == [second.id]


def test_a_goal_that_exits_does_so_also_once_it_no_longer_counts() -> None:
    harness = RoutingHarness(campaign(goal=GoalRule("Order Completed", 3_600, exits=True)))
    harness.take(track("Cart Abandoned"))
    routed = harness.take(track("Order Completed", at=NOON + 2 * HOUR))
    assert [left.reason for left in routed.exits.values()] == ["goal"]
    assert routed.conversions == []


def test_a_goal_that_exits_and_overtook_the_entry_keeps_it_out() -> None:
    harness = RoutingHarness(campaign(entry=BY_CART, goal=GoalRule("Order Completed", 3_600, exits=True)))
    harness.take(track("Order Completed", message_id="o", at=NOON + HOUR, cart="c1"))
    routed = harness.take(track("Cart Abandoned", cart="c1"), track("Cart Abandoned", cart="c2"))
    assert reasons(routed) == ["exit_event_came_first", None]
    assert routed.decisions[0].data == {"exit_event_id": event_id("o")}
    assert routed.conversions == []


def test_a_goal_is_that_of_the_version_that_the_journey_ran_on() -> None:
    past = campaign(version=1, goal=GoalRule("Subscribed", 3_600))
    harness = RoutingHarness(campaign(version=2, goal=BOUGHT), past=[past])
    over = journey(track("Cart Abandoned"), version=1)
    harness.past[over.id] = over
    assert reached(harness.take(track("Order Completed"))) == []
    assert reached(harness.take(track("Subscribed", message_id="s"))) == [("", "s")]


def test_an_event_that_is_a_goal_alone_is_heard() -> None:
    running = campaign("one", goal=BOUGHT)
    past = campaign("two", entry=EntryRule("Once"), exits=[EventRule("Gone")], goal=GoalRule("Subscribed", 60))
    listeners = Listeners([running], [], [past])
    heard = {name: listeners.hears(track(name).event) for name in ("Order Completed", "Subscribed", "Gone", "Once")}
    assert heard == {"Order Completed": True, "Subscribed": True, "Gone": False, "Once": False}
    assert listeners.campaigns_concerned([track("Order Completed").event, track("Subscribed").event]) == {"one"}
    assert listeners.triggers_to_match([running]) == {Trigger("track", "Order Completed")}
    assert listeners.goals(track("Subscribed").event) == {("two", 1): past.rules.goal}


def first_goal(one: Journey, arrived: list[Event]) -> str | None:
    """What counts as the goal, found the long way round."""
    goals = {("one", 1): "Quit", ("one", 2): "Seen", ("two", 1): "Leave", ("three", 1): "none"}
    within = {"Quit": 4, "Seen": 2, "Leave": 3, "none": 0}
    goal = goals[one.campaign_key, one.campaign_version]
    place = arrived.index(one.entry) if one.entry in arrived else -1
    overtook, followed = [], []
    for number, event in enumerate(arrived):
        passed = (event.timestamp - one.entry.timestamp).total_seconds()
        is_meant = event.properties["size"] > 1 if goal == "Quit" else is_about(event, one)
        if event.name != goal or event.user_id != one.entry.user_id or not is_meant or passed > within[goal]:
            continue
        if number < place and passed > 0:
            overtook.append((passed, event.message_id))
        if number > place and passed >= 0:
            followed.append(event.message_id)
    return min(overtook)[1] if overtook else next(iter(followed), None)


@settings(derandomize=True, max_examples=120)
@given(HAPPENINGS, st.sets(st.integers(1, 9)))
def test_the_goals_reached_are_those_found_the_long_way_round(
    profile_events: list[ProfileEvent], places: set[int]
) -> None:
    harness = staged(cut(profile_events, places))
    arrived = [profile_event.event for profile_event in profile_events]
    expected = {one.id: first_goal(one, arrived) for one in (BEFORE, *harness.result.entered)}
    assert harness.converted == {id: event_id for id, event_id in expected.items() if event_id is not None}
