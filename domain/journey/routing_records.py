"""The record of a routing result: decisions, and what journeys are told."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID, uuid5

from domain.journey.decision import Decision
from domain.journey.matching import ProfileEvent
from domain.journey.routing_result import RoutingResult, SubscriptionMatch

# The kinds of decisions that events cause.
ENTRY: Final = "entry"
EXIT: Final = "exit"
_REFUSED: Final = "refused"


def list_decisions(result: RoutingResult, profile_events: Sequence[ProfileEvent], at: datetime) -> list[Decision]:
    """Return the exits and entries of a result, in the order of their events."""
    recorded = [*_exit_decisions(result), *_entry_decisions(result, at)]
    places: dict[UUID | None, int] = {
        profile_event.event.id: place for place, profile_event in enumerate(profile_events)
    }
    return sorted(recorded, key=lambda decision: places[decision.event_id])


def effect_of(kind: str, outcome: str) -> Literal["entered", "refused", "ended"]:
    """Return the effect of an event that a recorded decision of these kinds tells."""
    if kind == EXIT:
        return "ended"
    return "refused" if outcome == _REFUSED else "entered"


def list_told_matches(result: RoutingResult) -> list[SubscriptionMatch]:
    """Return the matches that journeys are told, except those that end.

    They are the first and the last of each subscription, of perhaps thousands.
    """
    places: dict[tuple[UUID, str], tuple[int, int]] = {}
    for place, one in enumerate(result.matches):
        of = (one.journey.id, one.subscription)
        first, _ = places.get(of, (place, place))
        places[of] = (first, place)
    kept = [result.matches[place] for place in sorted({place for ends in places.values() for place in ends})]
    return [match for match in kept if match.journey.id not in result.exits]


def _entry_decisions(result: RoutingResult, at: datetime) -> list[Decision]:
    return [
        Decision(
            id=uuid5(decision.profile_event.event.id, decision.campaign_key),
            profile_id=decision.profile_event.profile_id,
            campaign_key=decision.campaign_key,
            kind=ENTRY,
            outcome=_REFUSED if decision.journey is None else "entered",
            reason=decision.reason,
            at=at,
            journey_id=decision.journey.id if decision.journey else None,
            event_id=decision.profile_event.event.id,
            data=decision.data,
        )
        for decision in result.decisions
    ]


def _exit_decisions(result: RoutingResult) -> list[Decision]:
    return [
        Decision(
            id=uuid5(exit.journey.id, "exit"),
            profile_id=exit.journey.profile_id,
            campaign_key=exit.journey.campaign_key,
            kind=EXIT,
            outcome=exit.ending.outcome,
            reason=exit.reason,
            at=exit.ending.ended_at,
            journey_id=exit.journey.id,
            event_id=exit.event.id,
            data={"event": exit.event.trigger.label},
        )
        for exit in result.exits.values()
    ]
