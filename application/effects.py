"""Carry out the effects of an action, in the transaction that records it."""

from typing import TypeVar, assert_never
from uuid import UUID

from application.people import set_stage, set_traits
from domain.campaign.steps.action import EmitEvent, SetStage, SetTraits
from domain.journey.requests import StepRequest
from domain.journey.step_decisions import StepDecision, without_refused
from domain.people.profile_state import Source
from store.database import Connection

A = TypeVar("A")


async def carry_out(
    connection: Connection, request: StepRequest, profile_id: UUID, campaign_key: str, decision: StepDecision[A]
) -> StepDecision[A]:
    """Change the locked profile; return the decision, without traits that had no room."""
    # The journey's clock may be ahead if time was skipped.
    at = min(request.at, connection.clock.now())
    source = Source("step", str(request.decision_id), at, f"{campaign_key}/{request.step}")
    for effect in decision.effects:
        match effect:
            case SetTraits(traits=traits):
                if refused := await set_traits(connection, profile_id, traits, source):
                    decision = without_refused(decision, refused)
            case SetStage(stage=stage):
                await set_stage(connection, profile_id, stage, source)
            case EmitEvent():
                # The answer contains it: it is reported after the commit.
                continue
            case _:
                assert_never(effect)
    return decision
