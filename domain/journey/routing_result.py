"""What the routing of events works with, and what it comes to."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct, field

from domain.journey.matching import Person, ProfileEvent
from domain.journey.records import Ending, Journey
from domain.tracking.event import Event


class EntryDecision(Struct, frozen=True):
    """Whether an event started a journey, and if not, why. `reason` is None for an entry."""

    profile_event: ProfileEvent
    campaign_key: str
    journey: Journey | None
    reason: str | None
    data: dict[str, Any]


class JourneyExit(Struct, frozen=True):
    """A journey that an event ends, as an exit or as the goal that is one."""

    journey: Journey
    ending: Ending
    event: Event
    reason: Literal["exit_event", "goal"]


class SubscriptionMatch(Struct, frozen=True):
    """An event that matched a subscription of a journey."""

    journey: Journey
    subscription: str
    event_id: UUID


class ReachedGoal(Struct, frozen=True):
    """A journey that has reached its goal, and the event that was it."""

    journey: Journey
    event: Event


class RoutingResult(Struct):
    """What a batch of events comes to. A journey of `entered` may be in `exits` and in `conversions` as well."""

    entered: list[Journey] = field(default_factory=list)
    exits: dict[UUID, JourneyExit] = field(default_factory=dict)
    matches: list[SubscriptionMatch] = field(default_factory=list)
    conversions: list[ReachedGoal] = field(default_factory=list)
    decisions: list[EntryDecision] = field(default_factory=list)


class RoutingContext(Struct, frozen=True):
    """What the database held when the batch came: everything under lock, so that it still holds at the commit.

    `active` are the active journeys concerned, `past` those that are over and may still reach their goal,
    `last_entries` when each (campaign, profile, key) was last entered, `received` the exits and goals already stored
    that may have happened after an entry of this batch. Those of the batch itself may be among them.
    """

    people: Mapping[UUID, Person]
    active: Sequence[Journey]
    past: Sequence[Journey]
    last_entries: Mapping[tuple[str, UUID, str], datetime]
    received: Sequence[ProfileEvent]
