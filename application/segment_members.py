"""Use cases of the members of segments: lists, and exports of all."""

from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from domain.access import Actor
from domain.errors import NotFoundError
from store import audit, segments
from store.database import Connection, Database
from store.segments import Member

# Members of one transaction of an export.
EXPORT_PAGE: Final = 1_000


class SegmentMembers:
    """Lists and exports members."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, key: str, *, limit: int, after: UUID | None, by: Actor) -> list[Member]:
        """Return members by the ids of their profiles; the audit log says who has looked.

        Raises NotFoundError.
        """
        async with self._database.transaction() as connection:
            segment_id = await _find_id(connection, key)
            found = await segments.page_members(connection, segment_id, after, limit)
            await audit.record_look(connection, by, "segment.members", key)
            return found

    async def export(self, key: str, *, by: Actor) -> AsyncIterator[list[Member]]:
        """Return all members in pages; the audit log says who exported them.

        No connection waits for the reader: those who join or leave meanwhile may be in it or not. Raises NotFoundError.
        """
        async with self._database.transaction() as connection:
            segment_id = await _find_id(connection, key)
            await audit.record(connection, by, "segment.export", key)
        return self._iter_pages(segment_id)

    async def _iter_pages(self, segment_id: int) -> AsyncIterator[list[Member]]:
        after: UUID | None = None
        while True:
            async with self._database.own_transaction() as connection:
                page = await segments.page_members(connection, segment_id, after, EXPORT_PAGE)
            if page:
                yield page
            if len(page) < EXPORT_PAGE:
                return
            after = page[-1].id


async def _find_id(connection: Connection, key: str) -> int:
    for one in await segments.load(connection):
        if one.definition.key == key:
            return one.definition.id
    raise NotFoundError(f"there is no segment {key}; apply it first", segment=key)
