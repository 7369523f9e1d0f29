"""Imports of people: rows as identifies of the past, which start nothing."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from application.ingest import Ingest, IngestResult
from domain.access import Actor
from domain.errors import InvalidRequestError
from domain.tracking.decode import Decoded
from domain.tracking.event import OUR_CONTEXT, SOJOURN_SOURCE, Event
from store import audit
from store.database import Database


class UserImports:
    """Imports batches of rows, each row once."""

    def __init__(self, database: Database, ingest: Ingest) -> None:
        self._database = database
        self._ingest = ingest

    async def __call__(self, id: str, batch: Decoded, *, received_at: datetime, by: Actor) -> IngestResult:
        """Store the rows of a batch; the `messageId` of a row is unique within its import.

        Raises InvalidRequestError for other calls than identify.
        """
        if other := next((event for event in batch.events if event.type != "identify"), None):
            raise InvalidRequestError(f"an import has calls of the type identify; one of these is {other.type}")
        async with self._database.transaction() as connection:
            await audit.record_look(connection, by, "users.import", id, within=timedelta(days=1))
        return await self._ingest(
            [_as_imported(event, id, by) for event in batch.events],
            batch.rejects,
            received_at=received_at,
            unrecorded=batch.unrecorded,
            places=batch.places,
        )


def _as_imported(event: Event, id: str, by: Actor) -> Event:
    """Make a row history that Sojourn itself reports: it is not the person's activity.

    The context is left out: it would be that of a device.
    """
    return replace(
        event,
        source=SOJOURN_SOURCE,
        message_id=f"import/{id}/{event.message_id}",
        context={OUR_CONTEXT: {"by": by.name, "import": id}},
        integrations={},
        is_history=True,
    )
