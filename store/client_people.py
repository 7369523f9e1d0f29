"""The people that pages and apps name."""

from collections.abc import Collection
from uuid import UUID

from domain.people.identity import Identity
from store.database import Connection


async def find(connection: Connection, identities: Collection[Identity]) -> dict[Identity, UUID]:
    """Return the profiles behind these ids.

    An anonymous id counts as long as its person has no user id.
    """
    cursor = await connection.execute(
        """
        SELECT kind, value, profile_id
        FROM unnest(%s::text[], %s::text[]) AS wanted (kind, value)
        JOIN identities USING (kind, value)
        JOIN profiles ON profiles.id = profile_id
        WHERE kind = 'user' OR user_id IS NULL
        """,
        ([one.kind for one in identities], [one.value for one in identities]),
    )
    return {Identity(row["kind"], row["value"]): row["profile_id"] async for row in cursor}
