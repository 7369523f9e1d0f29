"""Without a condition of its own, a rule is about the key that the journey was entered with."""

from typing import Any

import pytest
from msgspec.structs import replace

from domain.campaign.rules import EntryRule, EventRule
from domain.conditions.expressions import ExpressionScope
from domain.journey.matching import JourneyEntry, Matcher
from tests.domain.journey.routing_harness import (
    BOB,
    BY_CART,
    HOUR,
    LEFT,
    NOON,
    PEOPLE,
    RoutingHarness,
    campaign,
    journey,
    reasons,
    track,
)


@pytest.mark.parametrize(
    ("rule", "cart", "ended"),
    [
        (LEFT, "c1", ["c1"]),
        (LEFT, "c2", ["c2"]),
        (LEFT, "c3", []),
        (LEFT, None, ["c1", "c2"]),
        (LEFT, "", ["c1", "c2"]),
        (LEFT, 7, []),
        (EventRule("Left", "true"), "c3", ["c1", "c2"]),
        (EventRule("Left", "event.properties.cart != entry.properties.cart"), "c1", ["c2"]),
    ],
)
def test_an_exit_is_about_the_key_that_it_has(rule: EventRule, cart: Any, ended: list[str]) -> None:
    harness = RoutingHarness(campaign(entry=BY_CART, exits=[rule]))
    harness.take(track("Cart Abandoned", cart="c1"), track("Cart Abandoned", cart="c2"))
    assert [left.journey.entry_key for left in harness.take(track("Left", cart=cart)).exits.values()] == ended


def test_an_event_without_the_property_concerns_all_journeys_of_the_person_and_no_other() -> None:
    harness = RoutingHarness(campaign(entry=BY_CART, exits=[LEFT]))
    carts = [track("Cart Abandoned", cart="c1"), track("Cart Abandoned", cart="c2")]
    harness.take(*carts, track("Cart Abandoned", BOB, cart="c1"))
    harness.take(track("Left"))
    assert [one.profile_id for one in harness.active.values()] == [BOB]


@pytest.mark.parametrize(
    ("entered_with", "told"), [(42, 42), (42, "42"), (42.0, 42), ("42", 42), (True, "true")], ids=repr
)
def test_keys_are_the_same_whatever_json_makes_of_them(entered_with: Any, told: Any) -> None:
    harness = RoutingHarness(campaign(entry=BY_CART, exits=[LEFT]))
    harness.take(track("Cart Abandoned", cart=entered_with))
    assert len(harness.take(track("Left", cart=told)).exits) == 1


@pytest.mark.parametrize(
    "key",
    [
        "event.message_id",
        "string(event.timestamp)",
        "event.name",
        "event.type + event.properties.cart",
        "profile.user_id",
        "'always the same'",
    ],
)
def test_a_key_that_no_other_event_can_have_tells_nothing(key: str) -> None:
    """Else nothing would ever end such a journey."""
    harness = RoutingHarness(campaign(entry=EntryRule("Cart Abandoned", key=key), exits=[LEFT]))
    harness.take(track("Cart Abandoned", cart="c1"))
    assert len(harness.take(track("Left", cart="c2", at=NOON + HOUR)).exits) == 1


def test_a_key_of_several_parts_is_compared_as_a_whole() -> None:
    key = "event.properties.cart + '/' + event.properties.shop + '/' + profile.user_id"
    harness = RoutingHarness(campaign(entry=EntryRule("Cart Abandoned", key=key), exits=[LEFT]))
    harness.take(track("Cart Abandoned", cart="c1", shop="s1"))
    assert harness.take(track("Left", cart="c1", shop="s2")).exits == {}
    assert len(harness.take(track("Left", cart="c1")).exits) == 1


def test_a_wait_hears_what_has_its_key_or_none() -> None:
    hears = {"w/0": EventRule("Opened"), "w/1": EventRule("Clicked"), "until/0": EventRule("Clicked", "true")}
    harness = RoutingHarness(campaign(entry=BY_CART, hears=hears))
    harness.take(track("Cart Abandoned", cart="c1"), track("Cart Abandoned", cart="c2"))
    batch = [track("Opened", cart="c1"), track("Opened"), track("Clicked", cart="c2"), track("Clicked", cart="c3")]
    assert [(one.journey.entry_key, one.subscription) for one in harness.take(*batch).matches] == [
        ("c1", "w/0"),
        ("c1", "w/0"),
        ("c2", "w/0"),
        ("c1", "until/0"),
        ("c2", "w/1"),
        ("c2", "until/0"),
        ("c1", "until/0"),
        ("c2", "until/0"),
    ]


@pytest.mark.parametrize(("cart", "reason"), [("c1", "exit_event_came_first"), ("c2", None), (None, BY_CART)], ids=str)
@pytest.mark.parametrize("batches", [1, 2])
def test_what_overtook_the_entry_has_its_key_or_none(batches: int, cart: str | None, reason: Any) -> None:
    harness = RoutingHarness(campaign(entry=BY_CART, exits=[LEFT]))
    left, abandoned = track("Left", at=NOON + HOUR, cart=cart), track("Cart Abandoned", cart="c1")
    for batch in [[left, abandoned]] if batches == 1 else [[left], [abandoned]]:
        harness.take(*batch)
    assert reasons(harness.result) == ["exit_event_came_first" if reason is BY_CART else reason]


def test_a_journey_is_judged_by_the_key_of_its_own_version() -> None:
    older = campaign(version=1, entry=EntryRule("Cart Abandoned", key="event.properties.shop"), exits=[LEFT])
    harness = RoutingHarness(campaign(version=2, entry=BY_CART), older=[older])
    harness.add(journey(track("Cart Abandoned", cart="c1", shop="s1"), entry_key="s1"))
    assert harness.take(track("Left", cart="c1", shop="s2")).exits == {}
    assert len(harness.take(track("Left", cart="c2", shop="s1")).exits) == 1


def test_a_key_of_the_profile_alone_tells_nothing_once_the_profile_has_changed() -> None:
    rules = campaign(entry=EntryRule("Cart Abandoned", key="string(profile.traits.vip)"), exits=[LEFT]).rules
    beginning = JourneyEntry(rules, track("Cart Abandoned").event, "false")
    assert Matcher(PEOPLE, NOON).concerns(track("Left"), LEFT, ExpressionScope.EXIT_WHERE, beginning)


@pytest.mark.parametrize(("cart", "is_meant"), [("c1", True), ("c2", False), (None, True)])
def test_a_key_goes_by_the_event_although_the_profile_has_changed(cart: str | None, is_meant: bool) -> None:
    """Else no exit would end a journey whose person has meanwhile moved on to another plan."""
    key = "event.properties.cart + string(profile.traits.vip)"
    rules = campaign(entry=EntryRule("Cart Abandoned", key=key), exits=[LEFT]).rules
    beginning = JourneyEntry(rules, track("Cart Abandoned", cart="c1").event, "c1false")
    assert (
        Matcher(PEOPLE, NOON).concerns(track("Left", cart=cart), LEFT, ExpressionScope.EXIT_WHERE, beginning)
        is is_meant
    )


class Looked(dict[str, Any]):
    """Counts how often it is gone through."""

    times = 0

    def items(self) -> Any:
        self.times += 1
        return super().items()


def test_what_many_rules_look_at_is_made_ready_once() -> None:
    """Each event of a batch is held against each journey of its person: it made most of the work."""
    other = "event.properties.cart != entry.properties.cart"
    harness = RoutingHarness(
        campaign(entry=BY_CART, exits=[EventRule("Left", f"{other} && false"), EventRule("Left", other)])
    )
    left, properties = track("Left"), Looked(cart="c9")
    left = replace(left, event=replace(left.event, properties=properties))
    assert len(harness.take(*(track("Cart Abandoned", cart=f"c{number}") for number in range(9)), left).exits) == 9
    assert properties.times == 1
