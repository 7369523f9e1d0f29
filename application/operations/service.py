"""Show and cancel operations."""

from uuid import UUID

from msgspec import convert

from application import campaign_transitions as transitions
from application.operations.exit import ExitParameters
from domain.access import Actor
from domain.errors import ConflictError, NotFoundError
from store import audit, operations, outbox
from store.database import Connection, Database
from store.operations import Operation


class OperationService:
    """Shows and cancels operations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, id: UUID) -> Operation:
        """Return one operation. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            return await _get_or_raise(connection, id)

    async def list(self, campaign_key: str | None, *, limit: int, before: UUID | None) -> list[Operation]:
        """Return the latest operations, or those of a campaign, newest first.

        Raises NotFoundError.
        """
        async with self._database.transaction() as connection:
            if campaign_key is None:
                return await operations.list_latest(connection, limit, before)
            await transitions.get_or_raise(connection, campaign_key)
            return await operations.list_campaign(connection, campaign_key, limit, before)

    async def cancel(self, id: UUID, *, by: Actor) -> Operation:
        """Cancel an operation after its page. Raises NotFoundError and ConflictError."""
        async with self._database.transaction() as connection:
            operation = await _get_or_raise(connection, id)
            if (refusal := _explain_refusal(operation)) is not None:
                raise _conflict(operation, refusal)
            if not await operations.cancel(connection, id):
                raise _conflict(operation, f"is {operation.state}; there is nothing left to cancel")
            if operation.campaign_key is not None:
                # If it is held, its workflow waits for an approval; a page may have held it since it was read.
                await outbox.wake_campaign(connection, operation.campaign_key)
            await audit.record(connection, by, "operation.cancel", str(id), {"campaign": operation.campaign_key})
            return await _get_or_raise(connection, id)


async def _get_or_raise(connection: Connection, id: UUID) -> Operation:
    operation = await operations.find(connection, id)
    if operation is None:
        raise NotFoundError(f"there is no operation {id}", operation=str(id))
    return operation


def _explain_refusal(operation: Operation) -> str | None:
    """Return why an operation cannot be cancelled, after its id; None if it can."""
    match operation.kind:
        case "resume":
            # Nothing else would wake the other held journeys.
            return "wakes the held journeys; it cannot be cancelled: pause the campaign"
        case "exit" if convert(operation.parameters, ExitParameters).whole_versions:
            return "ends journeys that count as ended already; it cannot be cancelled"
        case "release":
            # They would wait for the end that the hold once had.
            return "wakes the journeys that the hold has held; it cannot be cancelled"
        case "announce" | "watch":
            # No later event would judge them by what has changed already.
            return "judges people after a change; it cannot be cancelled"
        case "erase":
            # The rest of the person's rows would stay, and nothing leads to them any more.
            return "erases a person whose ids are deleted already; it cannot be cancelled"
        case _:
            return None


def _conflict(operation: Operation, text: str) -> ConflictError:
    return ConflictError(f"operation {operation.id} {text}", operation=str(operation.id), state=operation.state)
