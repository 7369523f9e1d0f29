"""What a journey does besides sending: carry out the effects of an action, once, and record them."""

from datetime import datetime
from uuid import UUID, uuid5

from msgspec import Struct, convert

from application.catalogue import Catalogue
from application.effects import Subject, carry_out
from application.ingest import Ingest
from application.journey_view import facts_and_version, journey_view
from domain.campaign.steps.action import ActionFacts
from domain.journey.position import NextPositions
from domain.journey.records import Ending
from domain.journey.state import COMPLETED
from domain.tracking.event import Event, stored_event
from store import decisions, journeys
from store.database import Database
from store.decisions import Decision


class ActionRequest(Struct, frozen=True):
    """An action of a journey. `ends_with` is the outcome with which the journey is over then; None if it goes on."""

    journey_id: UUID
    step: str
    visit: int
    at: datetime
    ends_with: str | None
    visits: dict[str, int]
    next_positions: NextPositions


class Actions:
    """Performs each action once, however often it is requested."""

    def __init__(self, database: Database, catalogue: Catalogue, ingest: Ingest) -> None:
        self._database = database
        self._catalogue = catalogue
        self._ingest = ingest

    async def perform(self, request: ActionRequest) -> bool:
        """True if the journey had been ended before: then nothing is done.

        Events are reported once the decision to do so is kept; an attempt that dies in between is repeated, and the
        ids of the events are always the same.
        """
        decision_id = uuid5(request.journey_id, f"{request.step}/{request.visit}/act")
        async with self._database.transaction() as connection:
            facts, version = await facts_and_version(connection, self._catalogue, request.journey_id)
            answered = await decisions.find_answer(connection, decision_id)
            if answered is not None:
                events = convert(answered["events"], tuple[Event, ...])
            elif facts.state != "active":
                return True
            else:
                rule = version.rules.actions[request.step]
                view = journey_view(version.plan, request.visits, facts)
                effects = rule.effects(ActionFacts(facts, stored_event(facts.entry), view))
                subject = Subject(request.journey_id, request.step, request.visit, decision_id, request.at)
                done = await carry_out(connection, effects, subject, facts)
                recorded = Decision(
                    id=decision_id,
                    profile_id=facts.profile_id,
                    campaign_key=facts.campaign_key,
                    kind=rule.kind,
                    outcome=effects.outcome,
                    reason=effects.reason,
                    at=request.at,
                    journey_id=request.journey_id,
                    step=request.step,
                    answer={"events": done.events},
                    data=done.data,
                )
                await decisions.insert(connection, [recorded])
                [position] = request.next_positions.positions
                await journeys.place(connection, request.journey_id, position, request.next_positions.move, request.at)
                if request.ends_with is not None:
                    ending = Ending(request.journey_id, COMPLETED, request.ends_with, None, request.at)
                    await journeys.end(connection, [ending])
                events = done.events
        if events:
            await self._ingest(list(events), received_at=self._database.clock.now())
        return False
