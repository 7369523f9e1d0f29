"""Which way a journey goes at a branch: its conditions, evaluated on what is known at that moment."""

from datetime import datetime
from uuid import UUID, uuid5

from msgspec import Struct, convert

from application.catalogue import Catalogue
from domain.campaign.plan import Plan, Send
from domain.errors import NotFoundError
from domain.tracking.event import Event
from store import decisions, journeys
from store.database import Database
from store.decisions import Decision
from store.journeys import BranchFacts

# The state of a message that was never granted.
UNSENT = "none"


class Fork(Struct, frozen=True):
    """A branch that a journey has come to. `visits` says how often the journey was at each step."""

    journey_id: UUID
    step: str
    at: datetime
    visits: dict[str, int]


class JourneyView(Struct, frozen=True):
    """What conditions see of a journey: visits by step, the state of its messages by step, when it was entered."""

    steps: dict[str, int]
    messages: dict[str, str]
    entered_at: datetime


def _view(plan: Plan, fork: Fork, facts: BranchFacts) -> JourneyView:
    """Every step is there, so that a condition can ask for one that the journey did not come to."""
    steps = {step: fork.visits.get(step, 0) for step in plan.nodes}
    sends = [step for step, node in plan.nodes.items() if isinstance(node, Send)]
    messages = {step: facts.messages.get(step, UNSENT) for step in sends}
    return JourneyView(steps, messages, facts.entered_at)


class Branches:
    """Evaluates branches and records why."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._catalogue = catalogue

    async def choose(self, fork: Fork) -> int | None:
        """The index of the first case that holds, None for otherwise. Asked again, it answers the same."""
        decision_id = uuid5(fork.journey_id, f"{fork.step}/{fork.visits.get(fork.step, 0)}/branch")
        async with self._database.transaction() as connection:
            facts = await journeys.branch_facts(connection, fork.journey_id)
            if facts is None:
                raise NotFoundError(f"no journey {fork.journey_id}", journey_id=str(fork.journey_id))
            answered = await decisions.answer(connection, decision_id)
            if answered is not None:
                case: int | None = answered["case"]
                return case
            version = await self._catalogue.version(connection, facts.campaign_key, facts.campaign_version)
            chosen = version.rules.decide(
                fork.step,
                profile=facts,
                entry=convert(facts.entry, Event),
                journey=_view(version.plan, fork, facts),
            )
            recorded = Decision(
                id=decision_id,
                profile_id=facts.profile_id,
                campaign_key=facts.campaign_key,
                kind="branch",
                outcome="otherwise" if chosen.case is None else f"case {chosen.case + 1}",
                at=fork.at,
                journey_id=fork.journey_id,
                step=fork.step,
                answer={"case": chosen.case},
                data={"errors": {str(case + 1): error for case, error in chosen.errors.items()}}
                if chosen.errors
                else {},
            )
            await decisions.insert(connection, [recorded])
            return chosen.case
