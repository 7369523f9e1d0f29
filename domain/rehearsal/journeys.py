"""A simulated journey: the machine's state, and what is kept beside it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import to_builtins
from msgspec.structs import replace

from domain.journey import machine
from domain.journey.protocol import Fact
from domain.journey.records import Journey, seed_of
from domain.journey.state import JourneyState, StoredState
from domain.rehearsal.rulebook import RunningCampaign

# Hears of a journey, its state before a fact, and the fact, at an instant.
FollowJourney = Callable[["SimulatedJourney", JourneyState, Fact, datetime], None]


@dataclass(slots=True, eq=False)
class SimulatedJourney:
    """A journey and its version. `alarm` numbers its rests: a later one replaces it.

    `stored` is the state of its row; an event that ends it sets it at once. `arms` are those of its splits, and
    `failed` the channels by which a message did not get through. `follow` hears of each fact.
    """

    record: Journey
    campaign: RunningCampaign
    state: JourneyState
    stored: StoredState = "active"
    ended_by: str | None = None
    has_converted: bool = False
    alarm: int = 0
    arms: dict[str, str] = field(default_factory=dict)
    failed: dict[UUID, set[str]] = field(default_factory=dict)
    follow: FollowJourney | None = None
    _entry: dict[str, Any] | None = None

    @property
    def entry(self) -> dict[str, Any]:
        """The entry event as a journey's row has it."""
        if self._entry is None:
            self._entry = to_builtins(self.record.entry)
        return self._entry

    def tell(self, fact: Fact, at: datetime) -> None:
        """Report a fact to the machine."""
        before = self.state
        self.state = machine.after(self.campaign.plan, before, fact, at)
        if self.follow is not None:
            self.follow(self, before, fact, at)

    def belong_to(self, profile_id: UUID) -> None:
        """Go on as a journey of another profile, into which its own was merged."""
        self.record = replace(self.record, profile_id=profile_id)

    def may_reach_goal(self, at: datetime) -> bool:
        """Whether an event of this instant may still be its goal."""
        goal = self.campaign.rules.goal
        if goal is None or self.has_converted:
            return False
        return at - self.record.entry.timestamp <= timedelta(seconds=goal.within)


def begin_journey(record: Journey, campaign: RunningCampaign, follow: FollowJourney | None = None) -> SimulatedJourney:
    """Return a new journey at its first step."""
    seed = seed_of(record.workflow_id, record.campaign_key)
    state = machine.begin(campaign.plan, record.entered_at, seed)
    return SimulatedJourney(record, campaign, state, follow=follow)
