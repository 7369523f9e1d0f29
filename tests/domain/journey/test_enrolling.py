"""Those who enter as the audience of a campaign: the rules of events hold for them."""

from datetime import timedelta
from typing import Literal
from uuid import UUID

import pytest

from domain.campaign.rules import AudienceRule, EntryRule, EventRule, GoalRule, ScheduleRule
from domain.journey.listeners import CampaignVersion
from domain.journey.matching import ProfileEvent
from domain.journey.routing import enrol
from domain.journey.routing_result import RoutingContext, RoutingResult
from domain.tracking.event import AUDIENCE, Event
from tests.domain.journey.routing_harness import (
    ADA,
    BOB,
    HOUR,
    LEFT,
    NOON,
    PEOPLE,
    RoutingHarness,
    campaign,
    event_id,
    reasons,
    track,
)

VIPS = AudienceRule("profile.traits.vip == true", 100)
EVERYBODY = AudienceRule("true", 100)
NEWS = EntryRule(audience=EVERYBODY)


def member(person: UUID = ADA, message_id: str = "a1") -> ProfileEvent:
    return ProfileEvent(
        person,
        Event(
            id=event_id(message_id),
            message_id=message_id,
            type=AUDIENCE,
            name=None,
            user_id=PEOPLE[person].user_id,
            anonymous_id=None,
            properties={},
            context={},
            timestamp=NOON,
        ),
    )


def enter(harness: RoutingHarness, version: CampaignVersion, *members: ProfileEvent) -> RoutingResult:
    around = RoutingContext(PEOPLE, list(harness.active.values()), [], harness.last_entries, harness.received)
    routed = enrol(members, version, harness.listeners, around, received_at=harness.at, new_ids=harness._ids)
    harness.add(*routed.entered)
    return routed


def test_who_belongs_to_it_enters() -> None:
    news = campaign(entry=EntryRule(audience=VIPS))
    routed = enter(RoutingHarness(news), news, member(ADA), member(BOB, "a2"))
    [journey] = routed.entered
    assert (journey.profile_id, journey.entry_key, journey.entered_at, journey.entry.type) == (ADA, "", NOON, AUDIENCE)
    assert journey.workflow_id.startswith("cart/ada/")
    [decision] = routed.decisions
    assert (decision.reason, decision.data) == (None, {"by": AUDIENCE})


def test_events_let_nobody_into_a_campaign_that_only_has_an_audience() -> None:
    news = campaign(entry=NEWS, exits=[LEFT])
    harness = RoutingHarness(news)
    assert not harness.listeners.hears(track("Cart Abandoned").event)
    assert harness.take(track("Left")).decisions == []


@pytest.mark.parametrize(
    ("entry", "schedule", "before", "reason"),
    [
        (NEWS, None, [], None),
        (NEWS, ScheduleRule(starts_at=NOON + HOUR), [], "before_schedule"),
        (NEWS, ScheduleRule(ends_at=NOON), [], "after_schedule"),
        (NEWS, None, [member(message_id="a0")], "already_in"),
        (EntryRule("Join", audience=EVERYBODY), None, [track("Join")], "already_in"),
        (EntryRule("Join", key="event.properties.k", audience=EVERYBODY), None, [track("Join", k="1")], None),
        (NEWS, None, [track("Left", at=NOON + HOUR)], "exit_event_came_first"),
        (NEWS, None, [track("Left", at=NOON - HOUR)], None),
    ],
)
def test_the_rules_hold(
    entry: EntryRule, schedule: ScheduleRule | None, before: list[ProfileEvent], reason: str | None
) -> None:
    news = campaign(entry=entry, exits=[LEFT], schedule=schedule)
    harness = RoutingHarness(news)
    for one in before:
        if one.event.type == AUDIENCE:
            enter(harness, news, one)
        else:
            harness.take(one)
    assert reasons(enter(harness, news, member())) == [reason]


@pytest.mark.parametrize(
    ("reentry", "after", "reason"),
    [("always", HOUR, None), ("never", HOUR, "reentry_never"), (7_200, HOUR, "reentry_after"), (3_600, HOUR, None)],
)
def test_who_was_in_it_before(reentry: int | Literal["never", "always"], after: timedelta, reason: str | None) -> None:
    news = campaign(entry=EntryRule(reentry=reentry, audience=EVERYBODY))
    harness = RoutingHarness(news)
    harness.last_entries["cart", ADA, ""] = NOON
    harness.at += after
    assert reasons(enter(harness, news, member())) == [reason]


@pytest.mark.parametrize("key", ["event.properties.k", "event.properties.k + string(profile.traits.vip)"])
def test_without_a_key_of_its_own_every_event_means_it(key: str) -> None:
    """Of two journeys, that of an event hears only what has its key."""
    news = campaign(
        entry=EntryRule("Join", key=key, audience=EVERYBODY), exits=[LEFT], hears={"w/0": EventRule("Seen")}
    )
    harness = RoutingHarness(news)
    [mine] = enter(harness, news, member()).entered
    [joined] = harness.take(track("Join", k="1")).entered
    heard = [harness.take(track("Seen", k=k)).matches for k in ("1", "2")]
    assert [[one.journey.id for one in of_one] for of_one in heard] == [[mine.id, joined.id], [mine.id]]
    assert list(harness.take(track("Left", k="2")).exits) == [mine.id]


def test_it_reaches_its_goal() -> None:
    news = campaign(entry=NEWS, goal=GoalRule("Read", 7_200))
    harness = RoutingHarness(news)
    enter(harness, news, member())
    assert len(harness.take(track("Read", at=NOON + HOUR)).conversions) == 1


def test_a_goal_that_came_first_counts() -> None:
    news = campaign(entry=NEWS, goal=GoalRule("Read", 7_200))
    harness = RoutingHarness(news)
    harness.take(track("Read", at=NOON + HOUR))
    assert len(enter(harness, news, member()).conversions) == 1
