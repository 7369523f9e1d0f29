"""People who are to be judged after a change that was not their own."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.people.address_statements import Address
from store.database import Connection


class Mark(Struct, frozen=True):
    """A person who is to be judged."""

    id: int
    profile_id: UUID


async def mark(connection: Connection, addresses: Collection[Address], but: Collection[UUID]) -> None:
    """Mark the other people who have one of these locked addresses.

    They are not locked: the marks are rows of their own, for which no transaction waits.
    """
    ordered = sorted(addresses)
    await connection.execute(
        """
        INSERT INTO marked_people (profile_id)
        SELECT DISTINCT profiles.id
        FROM unnest(%s::text[], %s::text[]) AS changed (channel, value)
        JOIN profiles ON profiles.addresses @> jsonb_build_object(channel, value)
        WHERE profiles.id <> ALL(%s)
        """,
        ([channel for channel, _ in ordered], [value for _, value in ordered], list(but)),
    )


async def find_first(connection: Connection) -> datetime | None:
    """Return since when the first person waits; None if none does."""
    cursor = await connection.execute("SELECT marked_at FROM marked_people ORDER BY id LIMIT 1")
    row = await cursor.fetchone()
    return row["marked_at"] if row else None


async def find(connection: Connection, limit: int) -> list[Mark]:
    """Return the first marks."""
    cursor = await connection.execute("SELECT id, profile_id FROM marked_people ORDER BY id LIMIT %s", (limit,))
    return [Mark(**row) async for row in cursor]


async def unmark(connection: Connection, ids: Sequence[int]) -> None:
    """Delete marks. Later ones of the same people stay."""
    await connection.execute("DELETE FROM marked_people WHERE id = ANY(%s)", (list(ids),))
