"""What a batch costs: how many expressions are evaluated, and how many journeys and campaigns are looked at."""

import sys
from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from domain.campaign.rules import EntryRule, EventRule, GoalRule
from domain.journey.listeners import CampaignVersion, Listeners
from domain.journey.matching import ProfileEvent
from domain.journey.records import Journey
from domain.journey.routing import MAX_ACTIVE, Router
from domain.journey.routing_result import RoutingContext, RoutingResult
from tests.domain.journey.routing_harness import BY_CART, NOON, PEOPLE, SAME_CART, campaign, journey, track

EVENTS = 200
BOUGHT = GoalRule("Order Completed", 86_400)


def work(
    batch: Sequence[ProfileEvent],
    versions: Sequence[CampaignVersion],
    active: Sequence[Journey] = (),
    received: Sequence[ProfileEvent] = (),
) -> tuple[int, int, RoutingResult]:
    """The steps and evaluations that a batch takes, and what it comes to."""
    around = RoutingContext(PEOPLE, active, [], {}, received)
    ids = (UUID(int=number) for number in count(1))
    router = Router(Listeners(versions, []), around, batch, NOON, ids)
    steps = sum(1 for profile_event in batch for _ in router.take(profile_event))
    return steps, router.evaluations, router.result


def calls(batch: Sequence[ProfileEvent], versions: Sequence[CampaignVersion], active: Sequence[Journey]) -> int:
    """The functions that are called while a batch is routed, which is its work whether it is a step or none."""
    router = Router(Listeners(versions, []), RoutingContext(PEOPLE, active, [], {}, []), batch, NOON, iter(()))
    called = 0

    def note(_: object, kind: str, __: object) -> None:
        nonlocal called
        called += kind in ("call", "c_call")

    sys.setprofile(note)
    try:
        for profile_event in batch:
            for _ in router.take(profile_event):
                pass
    finally:
        sys.setprofile(None)
    return called


def carts(number: int) -> list[Journey]:
    """The journeys of one person, each for a cart."""
    return [
        journey(track("Cart Abandoned", cart=f"c{one}"), id=900 + one, entry_key=f"c{one}") for one in range(number)
    ]


def test_rules_that_go_by_the_key_find_its_journey_among_a_hundred() -> None:
    version = campaign(entry=BY_CART, exits=[EventRule("Emptied")], hears={"seen/0": EventRule("Seen")}, goal=BOUGHT)
    for name in ("Emptied", "Seen", "Order Completed"):
        batch = [track(name, cart=f"c{number % MAX_ACTIVE}") for number in range(EVENTS)]
        few = work(batch, [version], carts(MAX_ACTIVE))
        assert few[0] <= 4 * EVENTS, name
        # The key of each event, and nothing more.
        assert few[1] <= EVENTS + MAX_ACTIVE, name
    [emptied] = [len(work([track("Emptied", cart="c7")], [version], carts(MAX_ACTIVE))[2].exits)]
    assert emptied == 1


def test_a_condition_that_does_not_see_the_entry_is_evaluated_once_an_event() -> None:
    version = campaign(
        entry=BY_CART,
        exits=[EventRule("Order Completed", "event.properties.value > 100")],
        hears={"seen/0": EventRule("Seen", "event.properties.value > 100 && profile.traits.vip")},
    )
    for name in ("Order Completed", "Seen"):
        cheap = [track(name, value=1) for _ in range(EVENTS)]
        steps, evaluations, routed = work(cheap, [version], carts(MAX_ACTIVE))
        assert (steps, evaluations) == (EVENTS, EVENTS)
        assert (routed.exits, routed.matches) == ({}, [])
    _, evaluations, routed = work([track("Seen", value=200)], [version], carts(MAX_ACTIVE))
    assert (evaluations, len(routed.matches)) == (1, MAX_ACTIVE)


def test_a_condition_that_sees_the_entry_is_evaluated_once_a_journey_and_each_is_a_step() -> None:
    """So that the caller can bound it."""
    version = campaign(entry=BY_CART, exits=[SAME_CART])
    steps, evaluations, _ = work([track("Order Completed", cart="none")] * 1, [version], carts(MAX_ACTIVE))
    assert evaluations == MAX_ACTIVE
    assert steps >= evaluations


def test_events_that_mean_nothing_to_a_campaign_cost_its_journeys_nothing() -> None:
    versions = [campaign("cart", entry=BY_CART, exits=[SAME_CART]), campaign("other", entry=EntryRule("Seen", "false"))]
    steps, evaluations, _ = work([track("Seen") for _ in range(EVENTS)], versions, carts(MAX_ACTIVE))
    assert steps == EVENTS
    assert evaluations == EVENTS


@pytest.mark.parametrize(
    "hears",
    [{"exits": [EventRule("Gone")]}, {"hears": {"seen/0": EventRule("Gone")}}, {"goal": GoalRule("Gone", 86_400)}],
    ids=lambda hears: next(iter(hears)),
)
def test_the_journeys_of_campaigns_that_do_not_want_an_event_are_not_looked_at(hears: dict[str, Any]) -> None:
    """A person may be in a thousand of them, as many as the events of a batch concern together."""
    bystanders = [campaign(f"c{number}", **hears) for number in range(1_000)]
    journeys = [journey(track("Cart Abandoned"), one.key, id=place) for place, one in enumerate(bystanders)]
    wanting = campaign("wanting", exits=[EventRule("Seen", "false")], hears={"seen/0": EventRule("Seen", "false")})
    journeys.append(journey(track("Cart Abandoned"), "wanting", id=1_000))
    batch = [track("Seen") for _ in range(EVENTS)]
    alone = calls(batch, [wanting], journeys[-1:])
    assert calls(batch, [wanting, *bystanders], journeys) <= 1.01 * alone
    assert calls([track("Gone")], [wanting, *bystanders], journeys) >= 1_000


def test_only_a_false_condition_leaves_no_decision() -> None:
    """A thousand campaigns want one event, each of another kind."""
    versions = [
        campaign(f"c{number}", entry=EntryRule("Seen", f"event.properties.kind == {number}")) for number in range(1_000)
    ]
    versions.append(campaign("broken", entry=EntryRule("Seen", "event.properties.missing == 1")))
    versions.append(campaign("keyless", entry=EntryRule("Seen", key="event.properties.missing")))
    _, evaluations, routed = work([track("Seen", kind=7)], versions)
    assert evaluations == 1_002
    assert {one.campaign_key: one.reason for one in routed.decisions} == {
        "c7": None,
        "broken": "condition",
        "keyless": "no_key",
    }


@pytest.mark.parametrize("entry", [EntryRule("Cart Abandoned"), BY_CART])
def test_an_entry_looks_no_further_than_the_first_exit_that_keeps_it_out(entry: EntryRule) -> None:
    version = campaign(entry=entry, exits=[EventRule("Order Completed", "event.properties.cart == 'c1'")])
    received = [track("Order Completed", at=NOON + timedelta(hours=number), cart="c1") for number in range(1, EVENTS)]
    _, evaluations, routed = work([track("Cart Abandoned", cart="c1")], [version], received=received[::-1])
    assert [one.reason for one in routed.decisions] == ["exit_event_came_first"]
    assert routed.decisions[0].data == {"exit_event_id": received[0].event.id}
    assert evaluations <= 2


LOOPS = "event.properties.items.all(i, event.properties.items.exists(j, j == i))"


def test_a_condition_that_may_take_long_counts_as_many() -> None:
    """So that not as many of them are evaluated in one transaction, and before others have a turn, as of cheap ones."""
    items = list(range(60))
    version = campaign(entry=EntryRule("Seen", f"!({LOOPS})"), exits=[EventRule("Gone", "entry.type == 'track'")])
    router = Router(Listeners([version], []), RoutingContext(PEOPLE, [], [], {}, []), [], NOON, iter(()))
    worked = []
    for profile_event in (track("Seen", items=[1]), track("Seen", items=items)):
        before = router.work
        assert list(router.take(profile_event)) == [None]
        worked.append(router.work - before)
    assert router.evaluations == 2
    assert worked[0] <= 3
    # Some 20,000 units, which is 10 ms at most.
    assert 200 < worked[1] < 1_000


def test_no_step_holds_an_event_against_many_others_or_many_rules() -> None:
    sees_the_entry = "event.properties.cart == 'c1' && entry.type == 'identify'"
    version = campaign(
        exits=[EventRule("Gone", sees_the_entry)] * 50,
        hears={f"seen/{number}": EventRule("Gone", sees_the_entry) for number in range(50)},
        goal=GoalRule("Order Completed", 10**9, sees_the_entry),
    )
    received = [
        track(name, at=NOON + timedelta(minutes=number), cart="c1")
        for number in range(1, 50)
        for name in ("Gone", "Order Completed")
    ]
    ids = (UUID(int=number) for number in count(1))
    router = Router(Listeners([version], []), RoutingContext(PEOPLE, [], [], {}, received), [], NOON, ids)
    before, longest = 0, 0
    for profile_event in (track("Cart Abandoned"), track("Gone", cart="c1")):
        for _ in router.take(profile_event):
            longest = max(longest, router.evaluations - before)
            before = router.evaluations
    assert len(router.result.entered) == 1
    assert before > 50 * 50
    assert longest <= 1


@pytest.mark.parametrize(
    "version",
    [
        campaign(entry=EntryRule("Cart Abandoned", where="profile.consent.email")),
        campaign(exits=[EventRule("Order Completed", where="!profile.consent.email")]),
        campaign(goal=GoalRule("Order Completed", 60, where="profile.consent_given.email")),
    ],
)
def test_refusals_of_addresses_are_read_where_a_condition_may_look_at_consent(version: CampaignVersion) -> None:
    assert Listeners([version], []).may_look_at_consent
    assert not Listeners([campaign()], []).may_look_at_consent
