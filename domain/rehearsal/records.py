"""The results of a simulation, in the order in which they come."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct, field

from domain.journey.decision import Decision
from domain.journey.records import Ending, Journey
from domain.rehearsal.messages import SimulatedMessage
from domain.tracking.event import Event


class EndedJourney(Struct, frozen=True):
    """A journey that is over, and how."""

    journey: Journey
    ending: Ending


class GoalReached(Struct, frozen=True):
    """A journey whose goal an event has reached, before or after its end."""

    journey: Journey
    event: Event


class MessageSettled(Struct, frozen=True):
    """A message with its outcome, at an instant."""

    message: SimulatedMessage
    at: datetime


Record = Decision | EndedJourney | GoalReached | MessageSettled
Recorder = Callable[[Record], None]


class ProviderOutcome(Struct, frozen=True):
    """The fate of a message at its provider: sent, unless a scenario says otherwise."""

    state: Literal["sent", "failed", "unknown"] = "sent"
    reason: str | None = None


class Results(Struct):
    """The results of a simulation in memory, for a few people."""

    decisions: list[Decision] = field(default_factory=list)
    ends: list[EndedJourney] = field(default_factory=list)
    goals: list[GoalReached] = field(default_factory=list)
    messages: list[MessageSettled] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Keep one result."""
        match record:
            case Decision():
                self.decisions.append(record)
            case EndedJourney():
                self.ends.append(record)
            case GoalReached():
                self.goals.append(record)
            case MessageSettled():
                self.messages.append(record)


def find_person(record: Record) -> UUID:
    """Return the person of a record, by the profile that they had then."""
    match record:
        case Decision():
            return record.profile_id
        case MessageSettled(message=message):
            return message.granted.profile_id
        case EndedJourney(journey=journey) | GoalReached(journey=journey):
            return journey.profile_id


def make_ending(journey_id: UUID, outcome: str, at: datetime) -> Ending:
    """Return the end of a journey by its own flow."""
    return Ending(journey_id, "completed", outcome, None, at)
