"""Let the journeys ask the gate again that a hold has held."""

from typing import Final
from uuid import UUID

from msgspec import Struct, convert

from store import holds, outbox, profiles
from store.database import Connection
from store.operations import Operation, Page
from store.outbox import OutboxMessage

# Journeys of a page, and how many go on a second.
PAGE: Final = 500
RATE: Final = 500.0


class ReleaseParameters(Struct, frozen=True):
    """The hold that has ended."""

    hold: UUID


class ReleaseHandler:
    """Wakes the journeys of which an ended hold held a message."""

    async def total(self, connection: Connection, operation: Operation) -> None:
        """Return None: counting them would cost as much as waking them."""

    async def page(self, connection: Connection, operation: Operation) -> Page:
        """Wake a page of journeys; one that waits elsewhere is not moved by it."""
        hold = await holds.find(connection, convert(operation.parameters, ReleaseParameters).hold)
        if hold is None:
            # The person was erased.
            return Page(operation.cursor, is_last=True)
        # A decision under way may have seen the hold open: it has the person's lock. The hold of a segment or an area
        # was ended under the exclusive lock of the registry.
        if hold.profile_id is not None:
            await (await profiles.lock(connection, [hold.profile_id])).get()
        found = await holds.find_held(connection, hold.id, operation.cursor, PAGE)
        if not found:
            return Page(operation.cursor, is_last=True)
        waiting = [journey.workflow_id for journey in found if journey.workflow_id is not None]
        await outbox.append(connection, [OutboxMessage(id, "resume", {}) for id in waiting], bulk=True)
        return Page(found[-1].id, done=len(waiting), counts={"resumed": len(waiting)}, pause=len(waiting) / RATE)
