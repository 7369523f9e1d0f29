"""Skip the waits of journeys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import uuid5

from msgspec import Struct, convert

from domain.journey.decision import Decision
from domain.journey.filters import JourneyFilter
from store import decisions, outbox, selections
from store.database import Connection
from store.operations import Operation, Page
from store.outbox import OutboxMessage
from store.selections import Selected

PAGE = 500
SKIPPED = "skipped"


class SkipParameters(Struct, frozen=True):
    """The parameters: a selection of waiting journeys."""

    selection: JourneyFilter


class SkipHandler:
    """Skips the waits of a selection, each once."""

    async def total(self, connection: Connection, operation: Operation) -> int:
        return await selections.count(connection, operation.campaign, _selection(operation))

    async def page(self, connection: Connection, operation: Operation) -> Page:
        found = await selections.lock_page(
            connection, operation.campaign, _selection(operation), operation.cursor, PAGE
        )
        if not found:
            return Page(operation.cursor, is_last=True)
        skipped = await skip(
            connection,
            found,
            connection.clock.now(),
            data={"by": operation.requested_by, "operation": str(operation.id)},
            bulk=True,
        )
        counts = {SKIPPED: skipped, "skipped_before": len(found) - skipped}
        return Page(found[-1].id, done=len(found), counts={name: number for name, number in counts.items() if number})


async def skip(
    connection: Connection, waiting: Sequence[Selected], at: datetime, *, data: dict[str, Any], bulk: bool
) -> int:
    """Skip the waits of locked journeys; return how many were not skipped before.

    A wait is identified by its step, its move and its end: a repeated request skips it once, and not the next wait as
    well.
    """
    decided = {journey: _decision(journey, at, data) for journey in waiting}
    known = await decisions.find_known(connection, [decision.id for decision in decided.values()])
    new = {journey: decision for journey, decision in decided.items() if decision.id not in known}
    if new:
        await decisions.insert(connection, list(new.values()))
        messages = [OutboxMessage(journey.workflow_id, "skip", {"step": journey.step}) for journey in new]
        await outbox.append(connection, messages, bulk=bulk)
    return len(new)


def _selection(operation: Operation) -> JourneyFilter:
    return convert(operation.parameters, SkipParameters).selection


def _decision(journey: Selected, at: datetime, data: dict[str, Any]) -> Decision:
    return Decision(
        id=uuid5(journey.id, f"skip/{journey.step}/{journey.moves}/{journey.wakes_at}"),
        profile_id=journey.profile_id,
        campaign_key=journey.campaign_key,
        kind="skip",
        outcome=SKIPPED,
        at=at,
        journey_id=journey.id,
        step=journey.step,
        data=data,
    )
