"""Pages of the profiles that may enter as an audience."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from store.addresses import REFUSED_OF_PROFILE
from store.database import Connection
from store.profile_states import MEMBERSHIPS
from store.profiles import LEARNED, Profile


async def count(connection: Connection, known_at: datetime) -> int:
    """Count the profiles that existed at an instant of PostgreSQL's clock."""
    cursor = await connection.execute(
        "SELECT count(*) AS count FROM profiles WHERE created_at < %s + clock_ahead()", (known_at,)
    )
    row = await cursor.fetchone()
    return int(row["count"]) if row else 0


async def page(connection: Connection, after: UUID | None, known_at: datetime, limit: int) -> list[Profile]:
    """Return the profiles after an id, of those that existed at an instant.

    The instant is of PostgreSQL's clock. None is locked: evaluating them takes a while, and must not delay their
    events.
    """
    cursor = await connection.execute(
        f"""
        SELECT id, user_id, traits, consent AS consent_given, suppressed, {REFUSED_OF_PROFILE} AS refused_addresses,
               stage, created_at, context, {LEARNED} AS learned,
               COALESCE((SELECT state FROM profile_states WHERE profile_id = profiles.id), '{{}}') AS counted,
               {MEMBERSHIPS} AS memberships
        FROM profiles
        WHERE id > %s AND created_at < %s + clock_ahead() ORDER BY id LIMIT %s
        """,  # noqa: S608 -- a constant of the store
        (after or UUID(int=0), known_at, limit),
    )
    return [Profile(**row) async for row in cursor]


async def anonymous_ids(connection: Connection, profile_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return an anonymous id of each of these profiles that has one."""
    cursor = await connection.execute(
        """
        SELECT profile_id, min(value) AS value FROM identities
        WHERE profile_id = ANY(%s) AND kind = 'anonymous' GROUP BY profile_id
        """,
        (list(profile_ids),),
    )
    return {row["profile_id"]: row["value"] async for row in cursor}
