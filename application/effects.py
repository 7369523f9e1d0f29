"""Carry out the effects of an action, in the transaction that records it."""

from typing import TypeVar, assert_never

from application.catalogue import Catalogue
from application.derived_events import JudgeRequest, judge_people
from application.settled_people import SettledPeople, settle_people
from application.statements import write_statements
from domain.campaign.steps.action import ChangeAudience, EmitEvent, SetStage, SetTraits
from domain.deployment_documents import LIFECYCLE
from domain.journey.effects import list_statements, source_of_step, with_caused
from domain.journey.requests import StepRequest
from domain.journey.step_decisions import StepDecision, without_audience, without_refused, without_stage
from domain.journey.step_facts import LockedFacts
from domain.people.derived_events import CausedChange, ValueChange
from domain.people.lifecycle import explain_stated_stage
from domain.people.segments.inputs import inputs_of_changes
from store import ad_audiences, documents
from store.database import Connection

A = TypeVar("A")


async def carry_out(
    connection: Connection,
    catalogue: Catalogue,
    request: StepRequest,
    facts: LockedFacts,
    decision: StepDecision[A],
) -> StepDecision[A]:
    """Change the locked profile; return the decision without traits that had no room.

    The events of its changes are part of the answer, if campaigns listen for them.
    """
    # The journey's clock may be ahead if time was skipped.
    at = min(request.at, connection.clock.now())
    source = source_of_step(request, facts, at)
    if all(isinstance(effect, EmitEvent) for effect in decision.effects):
        # The answer contains them: they are reported after the commit.
        return decision
    changes: list[ValueChange] = []
    # The facts were read under the registry's lock.
    listeners = await catalogue.listeners_at(connection, facts.registry_revision)
    segments = await catalogue.segments_at(connection, facts.registry_revision)
    settled = SettledPeople(connection.clock.now(), [])
    if segments:
        settled = await settle_people(connection, catalogue, [facts.profile_id])
    for effect in decision.effects:
        match effect:
            case SetTraits():
                written = await write_statements(connection, facts.profile_id, list_statements(effect, source))
                if refused := {refusal.statement.name: refusal.reason for refusal in written.refusals}:
                    decision = without_refused(decision, refused)
                changes += [change for _, change in written.changes()]
            case SetStage(stage=stage):
                # The version was published before the life cycle: its conditions alone decide about their stages.
                stages = (await documents.latest(connection, LIFECYCLE)).rules if segments.stages else ()
                if stages and (fault := explain_stated_stage(stage, stages)) is not None:
                    decision = without_stage(decision, fault[0])
                    continue
                written = await write_statements(connection, facts.profile_id, list_statements(effect, source))
                changes += [change for _, change in written.changes()]
            case ChangeAudience(name=name, is_wanted=is_wanted):
                if not await ad_audiences.set_member(
                    connection, name, facts.profile_id, request.journey_id, is_wanted=is_wanted
                ):
                    decision = without_audience(decision, f"steps change no audience `{name}` any more")
            case EmitEvent():
                continue
            case _:
                assert_never(effect)
    judged: list[CausedChange] = []
    if changes and decision.cause is not None:
        affected = JudgeRequest(segments.find_affected(inputs_of_changes(changes)), decision.cause, source)
        judged = await judge_people(connection, catalogue, {facts.profile_id: affected}, settled)
    return with_caused(decision, settled.changes, changes, judged, segments, listeners)
