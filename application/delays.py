"""Until when a delay rests that speaks of local time or of a date: looked up when it begins, and again on waking."""

from datetime import datetime
from uuid import UUID, uuid5

from msgspec import Struct, convert

from application.catalogue import Catalogue
from application.journey_view import facts_and_version
from domain.campaign.delays.decision import decide_delay
from domain.campaign.delays.kind import DelayFacts
from domain.journey.position import NextPositions, position_after_delay
from domain.journey.protocol import Unreadable
from domain.local_time.zones import recipient_zone
from domain.tracking.event import stored_event
from store import decisions, journeys
from store.database import Database
from store.decisions import Decision


class DelayRequest(Struct, frozen=True):
    """Until when does this step rest? It was reached at `reached_at`; `attempt` counts the questions of this visit."""

    journey_id: UUID
    step: str
    visit: int
    attempt: int
    reached_at: datetime
    at: datetime
    next_positions: NextPositions


class Delays:
    """Looks instants up and records them. `timezone` is the deployment's, for those whose own is not known."""

    def __init__(self, database: Database, catalogue: Catalogue, timezone: str) -> None:
        self._database = database
        self._catalogue = catalogue
        self._timezone = timezone

    async def look_up(self, request: DelayRequest) -> datetime | Unreadable | None:
        """The instant, perhaps past; None where there is no date, or Unreadable. Asked again, it answers the same."""
        decision_id = uuid5(request.journey_id, f"{request.step}/{request.visit}/{request.attempt}/delay")
        async with self._database.transaction() as connection:
            facts, version = await facts_and_version(connection, self._catalogue, request.journey_id)
            answered = await decisions.find_answer(connection, decision_id)
            if answered is not None:
                return convert(answered["until"], datetime | Unreadable | None)
            zone = recipient_zone(facts.traits, facts.context.get("timezone"), version.rules.timezone, self._timezone)
            facts_of_delay = DelayFacts(request.reached_at, facts, stored_event(facts.entry))
            decision = decide_delay(
                version.rules.delays[request.step], facts_of_delay, attempt=request.attempt, at=request.at, zone=zone
            )
            recorded = Decision(
                id=decision_id,
                profile_id=facts.profile_id,
                campaign_key=facts.campaign_key,
                kind="delay",
                outcome=decision.outcome,
                reason=decision.reason,
                at=request.at,
                journey_id=request.journey_id,
                step=request.step,
                answer={"until": decision.until},
                data=decision.data,
            )
            await decisions.insert(connection, [recorded])
            position = position_after_delay(
                request.next_positions,
                request.step,
                decision.until,
                is_past=decision.outcome == "past",
                at=request.at,
                ends_at=version.plan.ends_at,
            )
            await journeys.place(connection, request.journey_id, position, request.next_positions.move, request.at)
            return decision.until
