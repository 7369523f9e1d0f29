"""Routing by triggers: the same rules for each kind of event, by its name or by any."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from domain.campaign.rules import EntryRule, EventRule, GoalRule
from domain.campaign.triggers.kinds import TRIGGERS
from domain.journey.listeners import Listeners
from domain.journey.matching import ProfileEvent
from domain.tracking.chain import MAX_CHAIN
from domain.tracking.event import ANY, EventType
from tests.domain.journey.routing_harness import HOUR, NOON, TICK, RoutingHarness, campaign, reasons, track

KINDS = [kind.kind for kind in TRIGGERS]


def happens(kind: EventType, name: str | None, **more: Any) -> ProfileEvent:
    one = track(name or "", **more)
    named = {"group_id": name} if kind == "group" else {"name": name}
    return replace(one, event=replace(one.event, **{"type": kind, "name": None, **named}))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("heard", ["One", ANY])
def test_each_kind_enters_matches_converts_and_exits(kind: EventType, heard: str) -> None:
    running = campaign(
        entry=EntryRule(heard, kind=kind, where="!has(event.properties.step)"),
        exits=[EventRule("Gone", kind=kind)],
        hears={"w/0": EventRule(heard, "event.properties.step == 'wait'", kind)},
        goal=GoalRule("Bought", 3_600, kind=kind),
    )
    harness = RoutingHarness(running)
    assert len(harness.take(happens(kind, "One")).entered) == 1
    assert len(harness.take(happens(kind, "One", step="wait")).matches) == 1
    assert len(harness.take(happens(kind, "Bought", at=NOON + TICK)).conversions) == 1
    assert [exit.reason for exit in harness.take(happens(kind, "Gone")).exits.values()] == ["exit_event"]
    # Other kinds with the same name are other events, and cost nothing.
    others = [happens(other, name) for other in KINDS if other != kind for name in ("One", "Gone", "Bought", None)]
    assert not any(harness.listeners.hears(one.event) for one in others)
    assert harness.listeners.hears(happens(kind, "Another").event) is (heard == ANY)
    assert harness.listeners.hears(happens(kind, None).event) is (heard == ANY)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("heard", ["Gone", ANY])
@pytest.mark.parametrize("is_in_batch", [True, False])
def test_an_exit_of_each_kind_that_came_first_keeps_out(kind: EventType, heard: str, is_in_batch: bool) -> None:
    harness = RoutingHarness(campaign(exits=[EventRule(heard, kind=kind)]))
    batch = [happens(kind, "Gone", at=NOON + TICK), track("Cart Abandoned")]
    decided = harness.take(*batch) if is_in_batch else [harness.take(one) for one in batch][-1]
    assert reasons(decided) == ["exit_event_came_first"]
    assert reasons(harness.take(track("Cart Abandoned", at=NOON + 2 * TICK))) == [None]


@pytest.mark.parametrize("kind", KINDS)
def test_age_history_and_keys_hold_for_each_kind(kind: EventType) -> None:
    entry = EntryRule("One", key="event.properties.cart", max_age=3_600, kind=kind)
    harness = RoutingHarness(campaign(entry=entry, exits=[EventRule("Gone", kind=kind)]))
    old = happens(kind, "One", at=NOON - 2 * HOUR, cart="c1")
    past = happens(kind, "One", cart="c1")
    past = replace(past, event=replace(past.event, is_history=True))
    assert reasons(harness.take(old, past, happens(kind, "One"), happens(kind, "One", cart="c1"))) == [
        *("too_old", "history", "no_key"),
        None,
    ]
    assert not harness.take(happens(kind, "Gone", cart="c2")).exits
    assert len(harness.take(happens(kind, "Gone", cart="c1")).exits) == 1


def test_a_name_and_any_of_one_version_are_joined() -> None:
    one = campaign("one", exits=[EventRule("Bye", kind="page"), EventRule(ANY, "event.properties.last", "page")])
    harness = RoutingHarness(one, campaign("two", entry=EntryRule(ANY, kind="page")))
    harness.take(track("Cart Abandoned"))
    assert {exit.journey.campaign_key for exit in harness.take(happens("page", "Bye")).exits.values()} == {"one"}
    harness.take(track("Cart Abandoned", at=NOON + HOUR))
    assert len(harness.take(happens("page", None, last=True)).exits) == 1


def test_a_late_event_of_the_kind_of_the_entry_ends_nothing() -> None:
    harness = RoutingHarness(campaign(entry=EntryRule(ANY, kind="screen"), exits=[EventRule("Home", kind="screen")]))
    harness.take(happens("screen", "Start"))
    assert not harness.take(happens("screen", "Home", at=NOON - timedelta(seconds=1))).exits
    assert len(harness.take(happens("screen", "Home", at=NOON + TICK)).exits) == 1


@pytest.mark.parametrize(("chain", "reason"), [(MAX_CHAIN, None), (MAX_CHAIN + 1, "chain_too_long")])
def test_a_chain_of_journeys_starts_no_more_and_still_ends(chain: int, reason: str | None) -> None:
    one, two = EventRule("profile.traits.n", kind="changed"), EntryRule("profile.traits.n", kind="changed")
    harness = RoutingHarness(campaign("one", exits=[one]), campaign("two", entry=two))
    harness.take(track("Cart Abandoned"))
    changed = happens("changed", "profile.traits.n", at=NOON + TICK)
    changed = replace(changed, event=replace(changed.event, context={"sojourn": {"chain": chain}}))
    routed = harness.take(changed)
    assert len(routed.exits) == 1
    assert reasons(routed) == [reason]


def test_changes_are_derived_only_where_a_rule_listens_for_them() -> None:
    plain = Listeners([campaign(exits=[EventRule("Home", kind="page")])], [])
    assert not plain.hears_changes
    assert Listeners([], [campaign(hears={"w/0": EventRule("email", kind="consent")})]).hears_changes
