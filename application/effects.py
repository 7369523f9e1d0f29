"""Carry out the effects of an action, in the transaction that records the action."""

from datetime import datetime
from typing import Any, assert_never
from uuid import UUID, uuid5

from msgspec import Struct

from application.people import set_stage, set_traits
from domain.campaign.steps.action import Effects, EmitEvent, SetStage, SetTraits
from domain.people.profile_state import Source
from domain.tracking.event import OUR_CONTEXT, SOJOURN_SOURCE, Event
from store.database import Connection
from store.journeys import StepFacts


class Subject(Struct, frozen=True):
    """The visit of a step whose effects are carried out, and its decision."""

    journey_id: UUID
    step: str
    visit: int
    decision_id: UUID
    at: datetime


class CarriedOut(Struct, frozen=True):
    """The data that explain what was done, and the events that are to be reported after the commit."""

    data: dict[str, Any]
    events: tuple[Event, ...]


async def carry_out(connection: Connection, effects: Effects, subject: Subject, facts: StepFacts) -> CarriedOut:
    """Change the profile, whose row the caller has locked, and make the events that the action reports."""
    now = connection.clock.now()
    # The journey's clock may be ahead, where time is skipped.
    source = Source("step", str(subject.decision_id), min(subject.at, now))
    data, errors = dict(effects.data), dict(effects.errors)
    events: list[Event] = []
    for effect in effects.effects:
        match effect:
            case SetTraits(traits=traits):
                refused = await set_traits(connection, facts.profile_id, traits, source)
                errors |= refused
                data["traits"] = sorted({*data.get("traits", ()), *traits.keys()} - refused.keys())
            case SetStage(stage=stage):
                await set_stage(connection, facts.profile_id, facts.stage, stage, source)
                data |= {"stage": stage, "before": facts.stage}
            case EmitEvent():
                event = _event(effect, subject, facts, now, len(events))
                events.append(event)
                data |= {"event": event.name, "event_id": event.id}
            case _:
                assert_never(effect)
    if errors:
        data["errors"] = errors
    return CarriedOut(data, tuple(events))


def _event(effect: EmitEvent, subject: Subject, facts: StepFacts, now: datetime, number: int) -> Event:
    """Make an event whose id is the same however often the action is asked for."""
    name = f"{subject.step}/{subject.visit}/event"
    id = uuid5(subject.journey_id, name if number == 0 else f"{name}/{number}")
    origin = {"campaign": facts.campaign_key, "journey_id": str(subject.journey_id), "chain": effect.chain}
    return Event(
        id=id,
        source=SOJOURN_SOURCE,
        message_id=str(id),
        type="track",
        name=effect.name,
        user_id=facts.user_id,
        anonymous_id=None if facts.user_id else facts.anonymous_id,
        properties=effect.properties,
        context={OUR_CONTEXT: origin},
        timestamp=now,
    )
