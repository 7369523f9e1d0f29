"""Refused calls and parts of calls."""

from domain.access import Actor
from store import audit, rejects
from store.database import Database
from store.rejects import StoredReject


class RejectLog:
    """Reads the rejects of ingest."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self,
        *,
        limit: int,
        after: int | None = None,
        user_id: str | None = None,
        source: str | None = None,
        is_part: bool | None = None,
        by: Actor,
    ) -> list[StoredReject]:
        """Return rejects, the newest first, before `after`: the id of the last one seen.

        The audit log says who has looked.
        """
        async with self._database.transaction() as connection:
            found = await rejects.page(
                connection, limit=limit, after=after, user_id=user_id, source=source, is_part=is_part
            )
            await audit.record_list(connection, by, "rejects", user_id)
            return found
