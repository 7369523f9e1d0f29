"""What a journey does besides sending: update the profile, set the lifecycle stage, report an event."""

from datetime import datetime
from typing import Any, assert_never
from uuid import UUID, uuid5

from msgspec import Struct, to_builtins

from application.catalogue import Catalogue
from application.ingest import Ingest
from application.journey_view import facts_and_version, journey_view
from application.people import set_stage, set_traits
from domain.campaign.cycles import MAX_CHAIN
from domain.campaign.plan import Plan
from domain.campaign.rules import ActionRule, EmitRule, StageRule, UpdateRule, ValuesRule
from domain.conditions.expressions import ExpressionScope, compile_value
from domain.journey.position import NextPositions
from domain.journey.records import Ending
from domain.journey.state import COMPLETED
from domain.people.profile_state import Source
from domain.tracking.event import OUR_CONTEXT, SOJOURN_SOURCE, Event, stored_event
from store import decisions, journeys
from store.database import Connection, Database
from store.decisions import Decision
from store.journeys import StepFacts


class ActionRequest(Struct, frozen=True):
    """An action of a journey. `ends_with` is the outcome with which the journey is over then; None if it goes on."""

    journey_id: UUID
    step: str
    visit: int
    at: datetime
    ends_with: str | None
    visits: dict[str, int]
    next_positions: NextPositions


class _Done(Struct, frozen=True):
    """What was done, as it is recorded: for a reported event also what it holds, so that it can be reported again."""

    outcome: str
    reason: str | None
    data: dict[str, Any]
    event: Event | None = None


class Actions:
    """Performs each action once, however often it is requested."""

    def __init__(self, database: Database, catalogue: Catalogue, ingest: Ingest) -> None:
        self._database = database
        self._catalogue = catalogue
        self._ingest = ingest

    async def perform(self, request: ActionRequest) -> bool:
        """True if the journey had been ended before: then nothing is done.

        An event is reported once the decision to do so is kept; an attempt that dies in between is repeated, and the
        event's id is always the same.
        """
        decision_id = uuid5(request.journey_id, f"{request.step}/{request.visit}/act")
        async with self._database.transaction() as connection:
            facts, version = await facts_and_version(connection, self._catalogue, request.journey_id)
            answered = await decisions.find_answer(connection, decision_id)
            if answered is not None:
                event = stored_event(answered["event"]) if answered["event"] else None
            elif facts.state != "active":
                return True
            else:
                rule = version.rules.actions[request.step]
                done = await _do(connection, request, decision_id, rule, version.plan, facts)
                await _record(connection, request, decision_id, rule, facts, done)
                event = done.event
        if event is not None:
            await self._ingest([event], received_at=self._database.clock.now())
        return False


async def _do(
    connection: Connection, request: ActionRequest, decision_id: UUID, rule: ActionRule, plan: Plan, facts: StepFacts
) -> _Done:
    # Not later than now, whatever the journey's clock says.
    source = Source("step", str(decision_id), min(request.at, connection.clock.now()))
    match rule:
        case UpdateRule(traits=values):
            traits, errors = _worked_out(values, request, plan, facts)
            refused = await set_traits(connection, facts.profile_id, traits, source)
            errors |= refused
            data: dict[str, Any] = {"traits": sorted(traits.keys() - refused.keys())}
            return _Done("done", None, {**data, "errors": errors} if errors else data)
        case StageRule(stage=stage):
            await set_stage(connection, facts.profile_id, facts.stage, stage, source)
            return _Done("done", None, {"stage": stage, "before": facts.stage})
        case EmitRule(event=name):
            chain = _chain(facts) + 1
            if chain > MAX_CHAIN:
                return _Done("refused", "chain_too_long", {"event": name, "limit": MAX_CHAIN})
            properties, errors = _worked_out(rule.properties, request, plan, facts)
            event = _event(request, name, properties, facts, chain, connection.clock.now())
            data = {"event": name, "event_id": event.id}
            return _Done("done", None, {**data, "errors": errors} if errors else data, event)
        case _:
            assert_never(rule)


async def _record(
    connection: Connection, request: ActionRequest, decision_id: UUID, rule: ActionRule, facts: StepFacts, done: _Done
) -> None:
    recorded = Decision(
        id=decision_id,
        profile_id=facts.profile_id,
        campaign_key=facts.campaign_key,
        kind=_kind(rule),
        outcome=done.outcome,
        reason=done.reason,
        at=request.at,
        journey_id=request.journey_id,
        step=request.step,
        answer={"event": done.event},
        data=done.data,
    )
    await decisions.insert(connection, [recorded])
    [position] = request.next_positions.positions
    await journeys.place(connection, request.journey_id, position, request.next_positions.move, request.at)
    if request.ends_with is not None:
        await journeys.end(connection, [Ending(request.journey_id, COMPLETED, request.ends_with, None, request.at)])


def _worked_out(
    values: ValuesRule, request: ActionRequest, plan: Plan, facts: StepFacts
) -> tuple[dict[str, Any], dict[str, str]]:
    """The values by name, without those that cannot be had, and why not."""
    found = dict(values.plain)
    errors: dict[str, str] = {}
    roots = {
        "profile": facts,
        "entry": stored_event(facts.entry),
        "journey": journey_view(plan, request.visits, facts),
    }
    for name, text in values.computed.items():
        value, error, _ = compile_value(text, ExpressionScope.VALUE).evaluate(**roots)
        if error is None:
            # As the database has it, and whoever hears of the event when it is reported again: an instant as a text.
            found[name] = to_builtins(value)
        else:
            errors[name] = error
    return found, errors


def _event(
    request: ActionRequest, name: str, properties: dict[str, Any], facts: StepFacts, chain: int, at: datetime
) -> Event:
    id = uuid5(request.journey_id, f"{request.step}/{request.visit}/event")
    return Event(
        id=id,
        source=SOJOURN_SOURCE,
        message_id=str(id),
        type="track",
        name=name,
        user_id=facts.user_id,
        anonymous_id=None if facts.user_id else facts.anonymous_id,
        properties=properties,
        context={OUR_CONTEXT: {"campaign": facts.campaign_key, "journey_id": str(request.journey_id), "chain": chain}},
        timestamp=at,
    )


def _chain(facts: StepFacts) -> int:
    """How many journeys, one after the other, led to the event that started this one."""
    reported_by = facts.entry["context"].get(OUR_CONTEXT)
    chain = reported_by.get("chain") if isinstance(reported_by, dict) else None
    return chain if isinstance(chain, int) and chain > 0 else 0


def _kind(rule: ActionRule) -> str:
    match rule:
        case UpdateRule():
            return "update_profile"
        case StageRule():
            return "set_stage"
        case EmitRule():
            return "emit_event"
        case _:
            assert_never(rule)
