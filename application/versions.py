"""Published versions of a campaign."""

from collections.abc import Sequence

from application.documents import CampaignText, Documents
from domain.campaign.difference import Change
from domain.errors import NotFoundError
from store import versions
from store.database import Database
from store.versions import PublishedSource, VersionHead


class Versions:
    """Reads published versions."""

    def __init__(self, database: Database, checks: Documents) -> None:
        self._database = database
        self._checks = checks

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

    async def compare(self, key: str, before: int, after: int) -> Sequence[Change]:
        """Return the changes from one version to another. Raises NotFoundError."""
        old, new = [await self.get(key, number) for number in (before, after)]
        return await self._checks.changes(
            CampaignText(old.source, old.file, old.templates), CampaignText(new.source, new.file, new.templates)
        )
