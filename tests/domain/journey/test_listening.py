"""Events that journeys listen for."""

from uuid import UUID

from domain.campaign.rules import EntryRule, EventRule
from domain.journey.listeners import Listeners
from domain.tracking.event import Event
from tests.domain.journey.routing_harness import (
    BY_CART,
    HOUR,
    NOON,
    RoutingHarness,
    campaign,
    event_id,
    journey,
    track,
)


def test_a_subscription_hears_where_its_condition_holds() -> None:
    hears = {
        "opened/0": EventRule("Opened", "event.properties.cart == entry.properties.cart"),
        "any/0": EventRule("Opened", "true"),
        "other/0": EventRule("Clicked"),
    }
    harness = RoutingHarness(campaign(entry=BY_CART, hears=hears))
    first, second = harness.take(track("Cart Abandoned", cart="c1"), track("Cart Abandoned", cart="c2")).entered
    heard = harness.take(track("Opened", message_id="o1", cart="c2")).matches
    assert [(one.journey, one.subscription, one.event_id) for one in heard] == [
        (first, "any/0", event_id("o1")),
        (second, "opened/0", event_id("o1")),
        (second, "any/0", event_id("o1")),
    ]


def test_the_entry_event_is_not_heard_and_the_exit_event_neither() -> None:
    hears = {"w/0": EventRule("Cart Abandoned"), "w/1": EventRule("Left")}
    harness = RoutingHarness(campaign(hears=hears, exits=[EventRule("Left")]))
    routed = harness.take(track("Cart Abandoned"), track("Left", at=NOON + HOUR))
    assert routed.matches == []
    assert len(routed.exits) == 1


def test_a_journey_hears_from_the_event_after_its_entry_until_it_ends() -> None:
    harness = RoutingHarness(campaign(hears={"w/0": EventRule("Opened")}, exits=[EventRule("Left")]))
    names = ["Opened", "Cart Abandoned", "Opened", "Left", "Opened"]
    profile_events = [track(name, message_id=f"h{n}", at=NOON + n * HOUR) for n, name in enumerate(names)]
    assert [one.event_id for one in harness.take(*profile_events).matches] == [event_id("h2")]


def test_a_journey_hears_by_its_own_version() -> None:
    older = campaign(version=1, hears={"w/0": EventRule("Opened")})
    newer = campaign(version=2, hears={"v/0": EventRule("Opened")})
    harness = RoutingHarness(newer, older=[older]).add(journey(track("Cart Abandoned"), version=1))
    assert [one.subscription for one in harness.take(track("Opened")).matches] == ["w/0"]


def test_which_events_cost_anything() -> None:
    running = campaign("one", exits=[EventRule("Left")], hears={"w/0": EventRule("Opened")})
    older = campaign("two", entry=EntryRule("Once"), exits=[EventRule("Gone")])
    listeners = Listeners([running], [older])
    concerned = {
        name: listeners.campaigns_concerned([track(name).event])
        for name in ("Cart Abandoned", "Left", "Opened", "Gone", "Once", "Scrolled")
    }
    assert concerned == {
        "Cart Abandoned": {"one"},
        "Left": {"one"},
        "Opened": {"one"},
        "Gone": {"two"},
        "Once": set(),
        "Scrolled": set(),
    }
    for name, campaigns in concerned.items():
        assert listeners.hears(track(name).event) is bool(campaigns)
    page = Event(
        id=UUID(int=1),
        message_id="p",
        type="page",
        name="Left",
        user_id="ada",
        anonymous_id=None,
        properties={},
        context={},
        timestamp=NOON,
    )
    assert not listeners.hears(page)
    assert {trigger.name for trigger in listeners.triggers_to_match([running, older])} == {"Left", "Gone"}
