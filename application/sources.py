"""The sources of events: what they report, and what of it is refused."""

from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from domain.access import KeyKind
from domain.tracking.event import DEFAULT_SOURCE
from store import sources
from store.database import Database
from store.sources import EventSource

# Today included.
DAYS: Final = 7


class Sources:
    """Reads the sources."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> list[EventSource]:
        """Return all sources by name; the days are those of UTC."""
        today = (await self._database.now()).date()
        async with self._database.transaction() as connection:
            found = await sources.read_all(connection, today - timedelta(days=DAYS - 1), today)
        return [_with_own_key(one) if one.source == DEFAULT_SOURCE else one for one in found]


def _with_own_key(source: EventSource) -> EventSource:
    """Add the write key of the settings, which is always there."""
    return replace(source, kinds=sorted({*source.kinds, KeyKind.SERVER}))
