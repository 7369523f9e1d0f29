"""Who did what."""

from store import audit
from store.audit import AuditEntry
from store.database import Database


class AuditLog:
    """Read what the use cases have recorded."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, *, limit: int, after: int | None = None, target: str | None = None, actor: str | None = None
    ) -> list[AuditEntry]:
        """Entries, the newest first: those before `after`, which is the id of the last one seen."""
        async with self._database.transaction() as connection:
            return await audit.page(connection, limit=limit, after=after, target=target, actor=actor)
