"""Resume the journeys that were held while their campaign was paused, at a rate."""

from domain.journey.filters import JourneyFilter
from store import campaigns, operations, outbox, selections
from store.database import Connection
from store.operations import Operation, Page
from store.outbox import OutboxMessage

PAGE = 500
HELD = JourneyFilter(status="held")


class ResumeHandler:
    """Resumes `rate` journeys a second, each by the rules of its own version."""

    async def total(self, connection: Connection, operation: Operation) -> int:
        return await selections.count(connection, operation.campaign, HELD)

    async def page(self, connection: Connection, operation: Operation) -> Page:
        """Resume a page. A paused campaign keeps the rest for its next resumption."""
        rate = float(operation.parameters["rate"])
        state = await campaigns.state(connection, operation.campaign)
        if state == "paused":
            return Page(operation.cursor, counts={"paused_again": 1}, is_last=True)
        later = await operations.open_operations(connection, operation.campaign)
        if any(one.kind == "resume" and one.id > operation.id for one in later):
            return Page(operation.cursor, counts={"superseded": 1}, is_last=True)
        limit = max(1, min(PAGE, int(rate)))
        found = await selections.lock_page(connection, operation.campaign, HELD, operation.cursor, limit)
        if not found:
            return Page(operation.cursor, is_last=True)
        messages = [OutboxMessage(journey.workflow_id, "resume", {}) for journey in found]
        await outbox.append(connection, messages, bulk=True)
        return Page(found[-1].id, done=len(found), counts={"resumed": len(found)}, pause=len(found) / rate)
