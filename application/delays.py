"""Until when a delay rests that speaks of local time or of a date: looked up when it begins, and again on waking."""

from datetime import datetime
from types import NoneType
from typing import Any, assert_never
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from msgspec import Struct, convert

from application.catalogue import Catalogue
from application.journey_view import facts_and_version
from domain.campaign.rules import ClockRule, DateRule
from domain.conditions.expressions import ExpressionScope, compile_value
from domain.journey.position import NextPositions, position_after_delay
from domain.journey.protocol import Unreadable
from domain.local_time.delays import until_clock, until_moment
from domain.local_time.moments import read_moment
from domain.local_time.zones import recipient_zone
from domain.tracking.event import stored_event
from store import decisions, journeys
from store.database import Database
from store.decisions import Decision
from store.journeys import StepFacts

# Of a look-up: there is no such date, or the step was reached too late for it; there is a value, and no date in it.
PAST, UNREADABLE = "past", "unreadable"


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
            until, error = _until(version.rules.delays[request.step], request, facts, zone)
            outcome = _outcome(request, until)
            recorded = Decision(
                id=decision_id,
                profile_id=facts.profile_id,
                campaign_key=facts.campaign_key,
                kind="delay",
                outcome=outcome,
                reason=_REASONS.get(type(until)),
                at=request.at,
                journey_id=request.journey_id,
                step=request.step,
                answer={"until": until},
                data=_data(until, error, zone),
            )
            await decisions.insert(connection, [recorded])
            position = position_after_delay(
                request.next_positions,
                request.step,
                until,
                is_past=outcome == PAST,
                at=request.at,
                ends_at=version.plan.ends_at,
            )
            await journeys.place(connection, request.journey_id, position, request.next_positions.move, request.at)
            return until


_REASONS = {NoneType: "no_date", Unreadable: "unreadable_date"}


def _until(
    rule: ClockRule | DateRule, request: DelayRequest, facts: StepFacts, zone: ZoneInfo
) -> tuple[datetime | Unreadable | None, str | None]:
    """The instant, or why there is none: what is missing, null or blank is no date, anything else unreadable."""
    match rule:
        case ClockRule(clock=clock, days=days):
            return until_clock(request.reached_at, clock, days, zone), None
        case DateRule(date=date, offset=offset, clock=clock):
            found = compile_value(date, ExpressionScope.DELAY_DATE).evaluate(
                profile=facts, entry=stored_event(facts.entry)
            )
            if found.error is not None:
                return (None if found.missing else Unreadable()), found.error
            value = found.value.strip() if isinstance(found.value, str) else found.value
            if value in (None, ""):
                return None, f"{date} is empty"
            if (read := read_moment(value)) is None:
                return Unreadable(), f"{date} is not a date or time"
            until = until_moment(read, offset, clock, zone)
            return (until, None) if until is not None else (Unreadable(), "the date lies beyond all calendars")
        case _:
            assert_never(rule)


def _outcome(request: DelayRequest, until: datetime | Unreadable | None) -> str:
    if isinstance(until, Unreadable):
        return UNREADABLE
    if until is None or (request.attempt == 1 and until < request.reached_at):
        return PAST
    return "over" if until <= request.at else "waiting"


def _data(until: datetime | Unreadable | None, error: str | None, zone: ZoneInfo) -> dict[str, Any]:
    if not isinstance(until, datetime):
        return {"error": error}
    return {"until": until.astimezone(zone), "timezone": zone.key}
