"""The effects of an action on the profile, as statements and as derived events."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from domain.campaign.steps.action import SetStage, SetTraits
from domain.journey.listeners import Listeners
from domain.journey.requests import StepRequest
from domain.journey.step_decisions import StepDecision, with_derived
from domain.journey.step_facts import LockedFacts
from domain.people.derived_events import CausedChange, ValueChange
from domain.people.profile_state import Source, Statement
from domain.people.profile_updates import state_stage, state_traits
from domain.people.segments.deployed import DeployedSegments

A = TypeVar("A")


def source_of_step(request: StepRequest, facts: LockedFacts, at: datetime) -> Source:
    """Return a step as the source of statements."""
    return Source("step", str(request.decision_id), at, f"{facts.campaign_key}/{request.step}")


def list_statements(effect: SetTraits | SetStage, source: Source) -> list[Statement]:
    """Return what an effect states about the person."""
    match effect:
        case SetTraits(traits=traits, unverified=unverified):
            return state_traits(traits, unverified, source)
        case SetStage(stage=stage):
            return [state_stage(stage, source)]


def with_caused(
    decision: StepDecision[A],
    settled: Iterable[CausedChange],
    changes: Sequence[ValueChange],
    judged: Iterable[CausedChange],
    segments: DeployedSegments,
    listeners: Listeners,
) -> StepDecision[A]:
    """Add the events of changes by time, of stated and of judged ones, if one listens."""
    caused = [(change, cause) for _, change, cause in settled]
    if changes and decision.cause is not None:
        caused += [(change, decision.cause) for change in changes if segments.reports(change)]
        caused += [(change, cause) for _, change, cause in judged]
    return with_derived(decision, [one for one in caused if listeners.listens_for(one[0].trigger)])
