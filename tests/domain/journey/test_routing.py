from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.campaign.rules import EntryRule, EventRule, GoalRule, ScheduleRule
from domain.journey.matching import ProfileEvent
from domain.journey.records import Ending, Journey, user_of, user_reference, workflow_id
from tests.domain.journey.routing_harness import (
    ADA,
    BOB,
    BY_CART,
    HAPPENINGS,
    HOUR,
    NOON,
    SAME_CART,
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

# Entries


def test_an_entry_says_all_of_itself() -> None:
    abandoned = track("Cart Abandoned", cart="c1")
    routed = RoutingHarness(campaign(version=3, entry=BY_CART)).take(abandoned, after=HOUR)
    [entered] = routed.entered
    assert entered == Journey(
        id=UUID(int=1),
        campaign_key="cart",
        campaign_version=3,
        profile_id=ADA,
        entry_key="c1",
        workflow_id=f"cart/ada/{UUID(int=1).hex[-12:]}",
        entry=abandoned.event,
        entered_at=NOON + HOUR,
    )
    [decision] = routed.decisions
    assert (decision.campaign_key, decision.journey, decision.reason, decision.data) == ("cart", entered, None, {})
    assert decision.profile_event == abandoned


@pytest.mark.parametrize(
    ("where", "properties", "holds"),
    [
        ("event.properties.value > 100", {"value": 101}, True),
        ("event.properties.value > 100", {"value": 100}, False),
        ("profile.traits.vip == true", {}, True),
    ],
)
def test_an_entry_condition(where: str, properties: dict[str, Any], holds: bool) -> None:
    """Of one that is false no decision is kept."""
    routed = RoutingHarness(campaign(entry=EntryRule("Cart Abandoned", where))).take(
        track("Cart Abandoned", **properties)
    )
    assert len(routed.entered) == holds
    assert reasons(routed) == ([None] if holds else [])


def test_a_condition_that_cannot_be_evaluated_lets_nobody_in_and_says_why() -> None:
    [decision] = (
        RoutingHarness(campaign(entry=EntryRule("Cart Abandoned", "event.properties.value > 100")))
        .take(track("Cart Abandoned", BOB))
        .decisions
    )
    assert (decision.reason, decision.journey) == ("condition", None)
    assert "value" in decision.data["error"]


@pytest.mark.parametrize(("properties", "is_keyed"), [({"cart": "c1"}, True), ({"cart": ""}, False), ({}, False)])
def test_without_a_key_there_is_no_entry(properties: dict[str, Any], is_keyed: bool) -> None:
    [decision] = RoutingHarness(campaign(entry=BY_CART)).take(track("Cart Abandoned", **properties)).decisions
    assert decision.reason == (None if is_keyed else "no_key")
    if not is_keyed:
        assert decision.data["key"] == BY_CART.key
        assert decision.data["error"]


def test_one_journey_a_key_and_a_person() -> None:
    harness = RoutingHarness(campaign(entry=BY_CART))
    same = [track("Cart Abandoned", cart="c1"), track("Cart Abandoned", cart="c1")]
    routed = harness.take(*same, track("Cart Abandoned", cart="c2"), track("Cart Abandoned", BOB, cart="c1"))
    assert reasons(routed) == [None, "already_in", None, None]
    assert routed.decisions[1].data == {"journey_id": routed.entered[0].id}
    assert [(entered.profile_id, entered.entry_key) for entered in routed.entered] == [
        (ADA, "c1"),
        (ADA, "c2"),
        (BOB, "c1"),
    ]
    assert reasons(harness.take(track("Cart Abandoned", cart="c2"))) == ["already_in"]


def test_a_journey_of_an_older_version_counts_as_being_in() -> None:
    older = campaign(version=1)
    harness = RoutingHarness(campaign(version=2), older=[older]).add(journey(track("Cart Abandoned")))
    assert reasons(harness.take(track("Cart Abandoned"))) == ["already_in"]


def test_an_event_enters_every_campaign_that_it_starts() -> None:
    routed = RoutingHarness(campaign("one"), campaign("two"), campaign("other", entry=EntryRule("Other"))).take(
        track("Cart Abandoned")
    )
    assert [entered.campaign_key for entered in routed.entered] == ["one", "two"]
    assert len({entered.id for entered in routed.entered}) == 2


@pytest.mark.parametrize(
    ("reentry", "after", "reason"),
    [
        ("always", timedelta(0), None),
        ("never", timedelta(days=400), "reentry_never"),
        (3_600, HOUR - TICK, "reentry_after"),
        (3_600, HOUR, None),
        (3_600, HOUR + TICK, None),
    ],
)
def test_entering_again(reentry: Any, after: timedelta, reason: str | None) -> None:
    harness = RoutingHarness(campaign(entry=EntryRule("Cart Abandoned", reentry=reentry), exits=[EventRule("Bought")]))
    harness.take(track("Cart Abandoned"), track("Bought"))
    at = NOON + after
    [decision] = harness.take(track("Cart Abandoned", at=at), track("Bought", at=at), after=after).decisions
    assert decision.reason == reason
    if reason == "reentry_after":
        assert decision.data == {"last_entered_at": NOON, "again_at": NOON + HOUR}
    if reason == "reentry_never":
        assert decision.data == {"last_entered_at": NOON}
    assert reasons(harness.take(track("Cart Abandoned", BOB, at=at))) == [None]


def test_entering_again_is_counted_by_key() -> None:
    harness = RoutingHarness(
        campaign(entry=EntryRule("Cart Abandoned", key=BY_CART.key, reentry="never"), exits=[SAME_CART])
    )
    harness.take(track("Cart Abandoned", cart="c1"), track("Order Completed", cart="c1"))
    assert reasons(harness.take(track("Cart Abandoned", cart="c1"), track("Cart Abandoned", cart="c2"))) == [
        "reentry_never",
        None,
    ]


def test_whoever_is_in_is_told_so_rather_than_when_they_may_enter_again() -> None:
    harness = RoutingHarness(campaign(entry=EntryRule("Cart Abandoned", reentry="never")))
    assert reasons(harness.take(track("Cart Abandoned"), track("Cart Abandoned"))) == [None, "already_in"]


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (-TICK, "before_schedule"),
        (timedelta(0), None),
        (HOUR - TICK, None),
        (HOUR, "after_schedule"),
    ],
)
def test_a_schedule_counts_from_its_start_and_not_from_its_end_on(after: timedelta, reason: str | None) -> None:
    harness = RoutingHarness(campaign(schedule=ScheduleRule(NOON, NOON + HOUR)))
    [decision] = harness.take(track("Cart Abandoned"), after=after).decisions
    assert decision.reason == reason
    expected = {"before_schedule": {"starts_at": NOON}, "after_schedule": {"ends_at": NOON + HOUR}}
    assert decision.data == expected.get(reason or "", {})


# Exits


def test_an_exit_ends_the_journey_with_event_and_instant() -> None:
    harness = RoutingHarness(campaign(exits=[EventRule("Order Completed")]))
    [entered] = harness.take(track("Cart Abandoned")).entered
    routed = harness.take(track("Order Completed", message_id="bought"), after=HOUR)
    [left] = routed.exits.values()
    assert left.ending == Ending(entered.id, "exited", "exited", str(event_id("bought")), NOON + HOUR)
    assert (left.journey, left.event.name, left.reason) == (entered, "Order Completed", "exit_event")
    assert harness.active == {}


def test_an_exit_ends_only_the_journey_that_it_is_about() -> None:
    harness = RoutingHarness(campaign(entry=BY_CART, exits=[SAME_CART]))
    carts = [track("Cart Abandoned", cart="c1"), track("Cart Abandoned", cart="c2")]
    first, second, of_bob = harness.take(*carts, track("Cart Abandoned", BOB, cart="c1")).entered
    routed = harness.take(track("Order Completed", cart="c1"), track("Order Completed"))
    assert list(routed.exits) == [first.id]
    assert list(harness.active) == [second.id, of_bob.id]


def test_in_one_batch_an_exit_after_the_entry_ends_it() -> None:
    batch = track("Cart Abandoned"), track("Order Completed", at=NOON + HOUR)
    routed = RoutingHarness(campaign(exits=[EventRule("Order Completed")])).take(*batch)
    assert reasons(routed) == [None]
    assert list(routed.exits) == [routed.entered[0].id]


def test_in_one_batch_an_exit_before_the_entry_does_not_end_it() -> None:
    batch = track("Order Completed"), track("Cart Abandoned", at=NOON + HOUR)
    routed = RoutingHarness(campaign(exits=[EventRule("Order Completed")])).take(*batch)
    assert reasons(routed) == [None]
    assert routed.exits == {}


def test_after_an_exit_one_may_enter_again_in_the_same_batch() -> None:
    names = ["Cart Abandoned", "Order Completed", "Cart Abandoned"]
    batch = [track(name, at=NOON + number * HOUR) for number, name in enumerate(names)]
    routed = RoutingHarness(campaign(exits=[EventRule("Order Completed")])).take(*batch)
    assert [entered.id in routed.exits for entered in routed.entered] == [True, False]


def test_an_event_that_is_both_ends_one_journey_and_begins_the_next() -> None:
    harness = RoutingHarness(campaign(exits=[EventRule("Cart Abandoned")]))
    [first] = harness.take(track("Cart Abandoned")).entered
    routed = harness.take(track("Cart Abandoned", at=NOON + HOUR))
    assert list(routed.exits) == [first.id]
    assert [entered.id for entered in routed.entered] == list(harness.active) != [first.id]


@pytest.mark.parametrize("batches", [1, 2])
def test_one_that_is_both_and_is_late_leaves_the_journey_that_began_after_it(batches: int) -> None:
    harness = RoutingHarness(campaign(exits=[EventRule("Cart Abandoned", "event.properties.n != entry.properties.n")]))
    newer, late = track("Cart Abandoned", at=NOON, n=1), track("Cart Abandoned", at=NOON - TICK, n=2)
    if batches == 1:
        harness.take(newer, late)
    else:
        harness.take(newer)
        harness.take(late, after=HOUR)
    assert reasons(harness.result) == [None, "already_in"]
    assert [active.entry for active in harness.active.values()] == [newer.event]
    # One of the same instant counts as later.
    same_time = track("Cart Abandoned", at=NOON, n=3)
    assert len(harness.take(same_time).exits) == 1
    assert [active.entry for active in harness.active.values()] == [same_time.event]


def test_any_of_several_exits_ends_it() -> None:
    harness = RoutingHarness(
        campaign(exits=[EventRule("Order Completed", "event.properties.value > 10"), EventRule("Left")])
    )
    harness.take(track("Cart Abandoned"))
    assert harness.take(track("Order Completed", value=10)).exits == {}
    assert len(harness.take(track("Left")).exits) == 1


def test_one_event_ends_journeys_of_several_campaigns() -> None:
    left = [EventRule("Left")]
    harness = RoutingHarness(campaign("one", exits=left), campaign("two", exits=left), campaign("three"))
    harness.take(track("Cart Abandoned"))
    routed = harness.take(track("Left"))
    assert sorted(left.journey.campaign_key for left in routed.exits.values()) == ["one", "two"]
    assert [left.campaign_key for left in harness.active.values()] == ["three"]


def test_a_journey_follows_the_exits_of_its_own_version() -> None:
    older = campaign(version=1, exits=[EventRule("Left")])
    newer = campaign(version=2, exits=[EventRule("Order Completed")])
    harness = RoutingHarness(newer, older=[older]).add(journey(track("Cart Abandoned"), version=1))
    assert harness.take(track("Order Completed")).exits == {}
    assert len(harness.take(track("Left")).exits) == 1


def test_a_stopped_campaign_lets_nobody_in_and_still_ends() -> None:
    harness = RoutingHarness(older=[campaign(exits=[EventRule("Left")])]).add(journey(track("Cart Abandoned")))
    assert harness.take(track("Cart Abandoned", BOB)).decisions == []
    assert len(harness.take(track("Left")).exits) == 1


# An exit event that was received first, but happened later


@pytest.mark.parametrize(
    ("later", "reason"), [(TICK, "exit_event_came_first"), (timedelta(0), None), (-TICK, None)], ids=str
)
@pytest.mark.parametrize("batches", [1, 2])
def test_an_exit_that_overtook_the_entry_keeps_it_out(batches: int, later: timedelta, reason: str | None) -> None:
    harness = RoutingHarness(campaign(exits=[EventRule("Order Completed")]))
    bought = track("Order Completed", message_id="bought", at=NOON + later)
    abandoned = track("Cart Abandoned", at=NOON)
    if batches == 1:
        [decision] = harness.take(bought, abandoned).decisions
    else:
        harness.take(bought)
        [decision] = harness.take(abandoned, after=HOUR).decisions
    assert decision.reason == reason
    assert decision.data == ({"exit_event_id": event_id("bought")} if reason else {})


@pytest.mark.parametrize("reported", [NOON.replace(year=1), NOON.replace(year=1970), NOON.replace(year=2569)], ids=str)
@pytest.mark.parametrize("batches", [1, 2])
def test_an_exit_by_an_impossible_clock_keeps_no_entry_out(batches: int, reported: datetime) -> None:
    """Its arrival counts as its time, and a cart that was left before that may still be reported after it."""
    goal = GoalRule("Order Completed", within=3_600)
    harness = RoutingHarness(campaign(exits=[EventRule("Order Completed")], goal=goal))
    bought = track("Order Completed", at=NOON, reported=reported)
    abandoned = track("Cart Abandoned", at=NOON - HOUR / 2)
    routed = [harness.take(bought, abandoned)] if batches == 1 else [harness.take(bought), harness.take(abandoned)]
    assert reasons(routed[-1]) == [None]
    assert (len(routed[-1].entered), routed[-1].conversions) == (1, [])


def test_what_overtook_is_of_the_same_person_and_about_the_same_cart() -> None:
    harness = RoutingHarness(campaign(entry=BY_CART, exits=[SAME_CART]))
    harness.take(track("Order Completed", at=NOON + HOUR, cart="c1"))
    carts = [track("Cart Abandoned", cart="c2"), track("Cart Abandoned", BOB, cart="c1")]
    assert reasons(harness.take(*carts, track("Cart Abandoned", cart="c1"))) == [None, None, "exit_event_came_first"]


def test_the_earliest_that_overtook_is_named() -> None:
    harness = RoutingHarness(campaign(exits=[EventRule("Left"), EventRule("Order Completed")]))
    left = track("Left", at=NOON + 2 * HOUR)
    harness.take(left, track("Order Completed", at=NOON + HOUR, message_id="bought"))
    assert harness.take(track("Cart Abandoned")).decisions[0].data == {"exit_event_id": event_id("bought")}


# Names of journeys in Temporal


@pytest.mark.parametrize(
    ("user_id", "anonymous_id", "reference"),
    [
        ("ada", "a1", "ada"),
        (None, "a1", "a1"),
        ("a/b", None, "a/b"),
        ("ada@example.com", "a1", str(ADA)),
        (None, "ada@example.com", str(ADA)),
        (None, None, str(ADA)),
    ],
)
def test_how_a_person_is_called_in_temporal(user_id: str | None, anonymous_id: str | None, reference: str) -> None:
    found = user_reference(user_id, anonymous_id, ADA)
    assert found == reference
    id = workflow_id("cart", found, UUID(int=7))
    assert id == f"cart/{reference}/000000000007"
    assert user_of(id, "cart") == reference


# Batches


@settings(derandomize=True, max_examples=90)
@given(HAPPENINGS, st.sets(st.integers(1, 9)))
def test_batches_cut_anywhere_give_the_same_journeys_and_endings(
    profile_events: list[ProfileEvent], places: set[int]
) -> None:
    whole = staged([profile_events])
    for other in (staged(cut(profile_events, places)), staged([[profile_event] for profile_event in profile_events])):
        assert other.result == whole.result
        assert other.active == whole.active


@settings(derandomize=True, max_examples=60)
@given(HAPPENINGS)
def test_nobody_is_twice_in_a_campaign_under_one_key(profile_events: list[ProfileEvent]) -> None:
    harness = staged([])
    for profile_event in profile_events:
        harness.take(profile_event)
        places = [(one.campaign_key, one.profile_id, one.entry_key) for one in harness.active.values()]
        assert len(places) == len(set(places))
        for one in harness.active.values():
            rules = harness.listeners.rules(one)
            plain = {exit.event for exit in rules.exits if exit.where is None}
            assert not (
                profile_event.event.name in plain
                and is_about(profile_event.event, one)
                and one.entry != profile_event.event
            )
    assert all(id == left.journey.id == left.ending.id for id, left in harness.result.exits.items())
    assert [decision.journey for decision in harness.result.decisions if decision.journey] == harness.result.entered
