"""The numbers of segments: by day, and of two together."""

from application.catalogue import Catalogue
from application.segment_explanations import require_segment
from store import segment_numbers
from store.database import Database
from store.segment_numbers import SegmentDay, SegmentOverlap


class SegmentNumbers:
    """Reads the numbers of segments. Days are those of the deployment's `timezone`."""

    def __init__(self, database: Database, catalogue: Catalogue, timezone: str) -> None:
        self._database = database
        self._catalogue = catalogue
        self._timezone = timezone

    async def trend(self, key: str, days: int) -> list[SegmentDay]:
        """Return the last days of a segment, today's last. Raises NotFoundError."""
        async with self._database.long_read() as connection:
            id = require_segment(await self._catalogue.load_segments(connection), key)
            return await segment_numbers.read_days(connection, id, days, self._timezone, connection.clock.now())

    async def overlap(self, key: str, other: str) -> SegmentOverlap:
        """Return how the members of two segments overlap. Raises NotFoundError."""
        async with self._database.long_read() as connection:
            deployed = await self._catalogue.load_segments(connection)
            ids = [require_segment(deployed, one) for one in (key, other)]
            return await segment_numbers.read_overlap(connection, *ids)
