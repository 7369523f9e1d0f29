"""Pages of the profiles that may enter as an audience."""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from domain.people.profile import Profile
from store.addresses import REFUSED_OF_PROFILE
from store.database import Connection
from store.profile_states import MEMBERSHIPS
from store.profiles import LEARNED

# The members of a segment; their index has the order of the profiles' ids.
_MEMBERS: Final = """
(SELECT profiles.* FROM segment_members JOIN profiles ON id = profile_id
 WHERE segment_id = (SELECT segments.id FROM segments WHERE key = %(segment)s AND retired_at IS NULL)) AS profiles
"""


async def count(connection: Connection, known_at: datetime, segment: str | None = None) -> int:
    """Count the profiles, or members of a segment, that existed at an instant.

    The instant is of PostgreSQL's clock.
    """
    cursor = await connection.execute(
        f"""
        SELECT count(*) AS count FROM {"profiles" if segment is None else _MEMBERS}
        WHERE created_at < %(known_at)s + clock_ahead()
        """,  # noqa: S608 -- a constant above
        {"known_at": known_at, "segment": segment},
    )
    row = await cursor.fetchone()
    return int(row["count"]) if row else 0


async def page(
    connection: Connection, after: UUID | None, known_at: datetime, limit: int, segment: str | None = None
) -> list[Profile]:
    """Return the profiles after an id, of those that existed at an instant.

    With a segment, they are its members. The instant is of PostgreSQL's clock. None is locked: evaluating them takes a
    while, and must not delay their events.
    """
    cursor = await connection.execute(
        f"""
        SELECT id, user_id, traits, consent AS consent_given, suppressed, preferences,
               {REFUSED_OF_PROFILE} AS refused_addresses,
               stage AS stated_stage, created_at, context, {LEARNED} AS learned,
               COALESCE((SELECT state FROM profile_states WHERE profile_id = profiles.id), '{{}}') AS counted,
               {MEMBERSHIPS} AS memberships
        FROM {"profiles" if segment is None else _MEMBERS}
        WHERE id > %(after)s AND created_at < %(known_at)s + clock_ahead() ORDER BY id LIMIT %(limit)s
        """,  # noqa: S608 -- constants of the store
        {"after": after or UUID(int=0), "known_at": known_at, "limit": limit, "segment": segment},
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
