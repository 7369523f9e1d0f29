"""The states of computed traits: one row a person, under the lock of the profile."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from msgspec.structs import asdict
from psycopg.types.json import Jsonb

from domain.people.computed.state_row import StateRow
from store.database import Connection, PendingResult

# The memberships of a person, for statements that read `profiles`.
MEMBERSHIPS = "COALESCE((SELECT segments FROM profile_states WHERE profile_id = profiles.id), '{}')"


async def read(connection: Connection, profile_ids: Collection[UUID]) -> PendingResult[dict[UUID, StateRow]]:
    """Read the states of people; those without events have none.

    To write them, the caller locks the profiles first, in an earlier statement.
    """
    cursor = await connection.execute(
        """
        SELECT profile_id, state, next_at, is_partial, segments, judged, judged_at
        FROM profile_states WHERE profile_id = ANY(%s)
        """,
        (list(profile_ids),),
    )
    return PendingResult(cursor, lambda rows: {row.pop("profile_id"): StateRow(**row) for row in rows})


async def write(connection: Connection, states: Mapping[UUID, StateRow]) -> None:
    """Write the states of locked people."""
    items = [{"profile_id": id, **asdict(row)} for id, row in sorted(states.items())]
    await connection.execute(
        """
        INSERT INTO profile_states (profile_id, state, next_at, is_partial, segments, judged, judged_at)
        SELECT profile_id, state, next_at, is_partial, segments, judged, judged_at
        FROM jsonb_to_recordset(%s) AS item (
          profile_id uuid, state jsonb, next_at timestamptz, is_partial boolean, segments jsonb, judged bigint,
          judged_at timestamptz)
        ON CONFLICT (profile_id) DO UPDATE
        SET state = excluded.state, next_at = excluded.next_at, is_partial = excluded.is_partial,
            segments = excluded.segments, judged = excluded.judged, judged_at = excluded.judged_at
        """,
        (Jsonb(items),),
    )


async def next_due(connection: Connection) -> tuple[int, datetime | None]:
    """Return the registry's revision, and when the next person is due."""
    cursor = await connection.execute(
        """
        SELECT revision, (SELECT min(next_at) FROM profile_states WHERE next_at IS NOT NULL) AS next_at FROM registry
        """
    )
    row = await cursor.fetchone()
    return (row["revision"], row["next_at"]) if row else (0, None)


async def find_due(connection: Connection, at: datetime, limit: int) -> list[UUID]:
    """Return the people who are due, the longest first."""
    cursor = await connection.execute(
        "SELECT profile_id FROM profile_states WHERE next_at <= %s ORDER BY next_at LIMIT %s", (at, limit)
    )
    return [row["profile_id"] async for row in cursor]


async def count(connection: Connection) -> int:
    """Count the people with a state."""
    cursor = await connection.execute("SELECT count(*) AS count FROM profile_states")
    [row] = await cursor.fetchall()
    return int(row["count"])


async def ids_after(connection: Connection, after: UUID | None, limit: int) -> list[UUID]:
    """Return the next people with a state, by id."""
    cursor = await connection.execute(
        "SELECT profile_id FROM profile_states WHERE profile_id > %s ORDER BY profile_id LIMIT %s",
        (after or UUID(int=0), limit),
    )
    return [row["profile_id"] async for row in cursor]


async def delete(connection: Connection, profile_ids: Collection[UUID]) -> None:
    """Delete the states of locked people."""
    await connection.execute("DELETE FROM profile_states WHERE profile_id = ANY(%s)", (list(profile_ids),))


async def find_partial(connection: Connection, limit: int) -> list[UUID]:
    """Return people whose states may lack earlier events."""
    cursor = await connection.execute(
        "SELECT profile_id FROM profile_states WHERE is_partial ORDER BY profile_id LIMIT %s", (limit,)
    )
    return [row["profile_id"] async for row in cursor]
