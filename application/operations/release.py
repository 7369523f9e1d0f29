"""Let journeys and retries ask the gate again that a hold or a pause has held."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct, convert

from store import held_journeys, holds, outbox, profiles
from store.database import Connection
from store.held_journeys import HeldJourney
from store.operations import Operation, Page
from store.outbox import OutboxMessage

# Journeys of a page, and how many go on a second.
PAGE: Final = 500
RATE: Final = 500.0


class ReleaseParameters(Struct, frozen=True):
    """The hold that has ended, or the pause of a provider's marketing."""

    hold: UUID | None = None
    pause: UUID | None = None


class ReleaseHandler:
    """Wakes the journeys and retries of which an ended hold or pause held a message."""

    async def total(self, connection: Connection, operation: Operation) -> None:
        """Return None: counting them would cost as much as waking them."""

    async def page(self, connection: Connection, operation: Operation) -> Page:
        """Wake a page of journeys; one that waits elsewhere is not moved by it."""
        parameters = convert(operation.parameters, ReleaseParameters)
        if parameters.pause is not None:
            # It was ended under the exclusive lock of the registry.
            found = await held_journeys.find_by_pause(connection, parameters.pause, operation.cursor, PAGE)
            return await _wake(connection, operation, found)
        hold = None if parameters.hold is None else await holds.find(connection, parameters.hold)
        if hold is None:
            # The person was erased.
            return Page(operation.cursor, is_last=True)
        # A decision under way may have seen the hold open: it has the person's lock. The hold of a segment or an area
        # was ended under the exclusive lock of the registry.
        if hold.profile_id is not None:
            await (await profiles.lock(connection, [hold.profile_id])).get()
        found = await held_journeys.find_by_hold(connection, hold.id, operation.cursor, PAGE)
        return await _wake(connection, operation, found)


async def _wake(connection: Connection, operation: Operation, found: Sequence[HeldJourney]) -> Page:
    if not found:
        return Page(operation.cursor, is_last=True)
    waiting = [id for journey in found for id in journey.workflow_ids]
    await outbox.append(connection, [OutboxMessage(id, "resume", {}) for id in waiting], bulk=True)
    return Page(found[-1].id, done=len(waiting), counts={"resumed": len(waiting)}, pause=len(waiting) / RATE)
