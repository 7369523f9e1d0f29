"""Resume the journeys and retries that were held while a campaign was paused."""

from application.retries import start_retry
from domain.journey.filters import JourneyFilter
from store import campaigns, operations, outbox, retries, selections
from store.database import Connection
from store.operations import Operation, Page
from store.outbox import OutboxMessage

PAGE = 500
HELD = JourneyFilter(status="held")


class ResumeHandler:
    """Resumes `rate` journeys and retries a second, by the rules of their versions."""

    async def total(self, connection: Connection, operation: Operation) -> int:
        journeys = await selections.count(connection, operation.campaign, HELD)
        return journeys + await retries.count_open(connection, operation.campaign)

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
        held = await selections.lock_page(connection, operation.campaign, HELD, operation.cursor, limit)
        # Nothing says which retries wait for the campaign. Another one ignores this, as it asks the gate later.
        going = await retries.open_page(connection, operation.cursor, limit, campaign=operation.campaign)
        by_id = {journey.id: journey.workflow_id for journey in held}
        by_id |= {retry.message.id: start_retry(retry.message, retry.operation).workflow_id for retry in going}
        found = sorted(by_id.items())[:limit]
        if not found:
            return Page(operation.cursor, is_last=True)
        await outbox.append(connection, [OutboxMessage(workflow, "resume", {}) for _, workflow in found], bulk=True)
        return Page(found[-1][0], done=len(found), counts={"resumed": len(found)}, pause=len(found) / rate)
