"""The record of a decision on a step's request."""

from typing import TypeVar

from domain.journey.decision import Decision
from domain.journey.records import Ending
from domain.journey.requests import StepRequest
from domain.journey.state import COMPLETED
from domain.journey.step_decisions import StepDecision
from domain.journey.step_facts import LockedFacts

A = TypeVar("A")


def record_step(request: StepRequest, facts: LockedFacts, decision: StepDecision[A]) -> Decision:
    """Return the decision as the timeline and a retry read it."""
    return Decision(
        id=request.decision_id,
        profile_id=facts.profile_id,
        campaign_key=facts.campaign_key,
        kind=decision.kind,
        outcome=decision.outcome,
        reason=decision.reason,
        at=request.at,
        journey_id=request.journey_id,
        step=request.step,
        answer=decision.answer,
        data=decision.data,
    )


def find_ending(request: StepRequest, decision: StepDecision[A]) -> Ending | None:
    """Return the end of the journey that a decision makes; None if it goes on."""
    if decision.ends_with is None:
        return None
    return Ending(request.journey_id, COMPLETED, decision.ends_with, None, request.at, request.step)
