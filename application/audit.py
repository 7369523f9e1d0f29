"""The audit log."""

from store import audit
from store.audit import AuditEntry
from store.database import Database


class AuditLog:
    """Reads the actions that use cases have recorded."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, *, limit: int, after: int | None = None, target: str | None = None, actor: str | None = None
    ) -> list[AuditEntry]:
        """Return entries, the newest first, before `after`: the id of the last one seen."""
        async with self._database.transaction() as connection:
            return await audit.page(connection, limit=limit, after=after, target=target, actor=actor)
