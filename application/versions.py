"""Published versions of a campaign."""

from domain.errors import NotFoundError
from store import versions
from store.database import Database
from store.versions import PublishedSource, VersionHead


class Versions:
    """Reads published versions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, key: str, *, limit: int, after: int | None = None) -> list[VersionHead]:
        """Return versions below `after`, the newest first. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            found = await versions.page(connection, key, limit=limit, after=after)
            if not found and await versions.find(connection, key, 1) is None:
                raise NotFoundError(f"there is no campaign {key}; publish it first", campaign=key)
            return found

    async def get(self, key: str, number: int) -> PublishedSource:
        """Return one version. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            found = await versions.find(connection, key, number)
        if found is None:
            raise NotFoundError(f"campaign {key} has no version {number}", campaign=key, version=number)
        return found
