"""Which way a journey goes at a branch, at a split, and before each round of a repetition."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from msgspec import Struct

from application.catalogue import Catalogue, LoadedVersion
from application.journey_view import facts_and_version, journey_view
from domain.campaign.plan import Repeat, Split
from domain.journey import bucketing
from domain.journey.position import NextPositions, position_after_branch
from domain.tracking.event import stored_event
from store import decisions, journeys
from store.database import Database
from store.decisions import Decision
from store.journeys import StepFacts


class BranchRequest(Struct, frozen=True):
    """A step with several ways that a journey has come to. `visits` says how often the journey was at each step."""

    journey_id: UUID
    step: str
    at: datetime
    visits: dict[str, int]
    next_positions: NextPositions


class _Choice(Struct, frozen=True):
    kind: str
    index: int | None
    outcome: str
    data: dict[str, Any]


class Branches:
    """Chooses ways and records why."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._catalogue = catalogue

    async def choose(self, request: BranchRequest) -> int | None:
        """The index of the case that holds or of the arm; None for otherwise. Asked again, it answers the same."""
        decision_id = uuid5(request.journey_id, f"{request.step}/{request.visits.get(request.step, 0)}/branch")
        async with self._database.transaction() as connection:
            facts, version = await facts_and_version(connection, self._catalogue, request.journey_id)
            answered = await decisions.find_answer(connection, decision_id)
            if answered is not None:
                case: int | None = answered["case"]
                return case
            choice = _choose(request, version, facts)
            recorded = Decision(
                id=decision_id,
                profile_id=facts.profile_id,
                campaign_key=facts.campaign_key,
                kind=choice.kind,
                outcome=choice.outcome,
                at=request.at,
                journey_id=request.journey_id,
                step=request.step,
                answer={"case": choice.index},
                data=choice.data,
            )
            await decisions.insert(connection, [recorded])
            position = position_after_branch(request.next_positions, choice.index)
            await journeys.place(connection, request.journey_id, position, request.next_positions.move, request.at)
            return choice.index


def _choose(request: BranchRequest, version: LoadedVersion, facts: StepFacts) -> _Choice:
    node = version.plan.node(request.step)
    if isinstance(node, Split):
        rule = version.rules.splits[request.step]
        # The database does not keep the order of a mapping: the plan has it.
        weights = {arm.name: rule.arms[arm.name] for arm in node.arms}
        index = bucketing.assign_arm(rule.seed, str(facts.profile_id), weights)
        return _Choice("split", index, node.arms[index].name, {})
    chosen = version.rules.decide(
        request.step,
        profile=facts,
        entry=stored_event(facts.entry),
        journey=journey_view(version.plan, request.visits, facts),
    )
    errors = {"errors": {str(case + 1): error for case, error in chosen.errors.items()}} if chosen.errors else {}
    if isinstance(node, Repeat):
        return _Choice("repeat", chosen.case, "another round" if chosen.case is None else "over", errors)
    return _Choice("branch", chosen.case, "otherwise" if chosen.case is None else f"case {chosen.case + 1}", errors)
