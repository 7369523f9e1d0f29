"""The input and the result of routing events."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct, field

from domain.journey.matching import Person, ProfileEvent
from domain.journey.records import Ending, Journey, Owner
from domain.people.account_view import AccountKey, AccountView
from domain.tracking.event import Event

EntryRefusal = Literal[
    "before_schedule",
    "after_schedule",
    "condition",
    "history",
    "chain_too_long",
    "too_old",
    "no_account",
    "no_key",
    "already_in",
    "too_many_journeys",
    "reentry_never",
    "reentry_after",
    "exit_event_came_first",
]


class EntryDecision(Struct, frozen=True):
    """The decision whether an event starts a journey. `reason` is None for an entry."""

    profile_event: ProfileEvent
    campaign_key: str
    journey: Journey | None
    reason: EntryRefusal | None
    data: dict[str, Any]


class JourneyExit(Struct, frozen=True):
    """A journey that an event ends, as an exit or as a goal that ends journeys."""

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
    """A journey that has reached its goal, and the event."""

    journey: Journey
    event: Event


class RoutingResult(Struct):
    """The result of a batch. `exits` and `conversions` may have journeys of `entered`."""

    entered: list[Journey] = field(default_factory=list)
    exits: dict[UUID, JourneyExit] = field(default_factory=dict)
    matches: list[SubscriptionMatch] = field(default_factory=list)
    conversions: list[ReachedGoal] = field(default_factory=list)
    decisions: list[EntryDecision] = field(default_factory=list)


class RoutingContext(Struct, frozen=True):
    """The rows that routing depends on, locked until the commit.

    `active` are the active journeys concerned, `past` are over and may still reach their goal, `last_entries` is when
    each (campaign, owner, key) was last entered, `received` are stored exits and goals that may have happened after
    an entry of this batch, including those of the batch itself. `as_of` is the person as each event found them, with
    the event itself counted in the computed traits; other events find them as in `people`. `accounts` are those of the
    events and of `received`, if any condition or journey needs them.
    """

    people: Mapping[UUID, Person]
    active: Sequence[Journey]
    past: Sequence[Journey]
    last_entries: Mapping[tuple[str, Owner, str], datetime]
    received: Sequence[ProfileEvent]
    as_of: Mapping[UUID, Person] = {}
    accounts: Mapping[AccountKey, AccountView] = {}
