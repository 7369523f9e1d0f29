"""Sessions to be reported: open ones that are due, and queued reports."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import asdict
from psycopg.types.json import Jsonb

from domain.people.client_context import Platform
from domain.people.session_events import NamedPerson
from domain.people.sessions import SILENCE
from store.database import Connection

# The advisory lock of the reporter.
_LOCK = 0x53_45_53_53


class OpenSession(Struct, frozen=True):
    """An open session that is due. Its last event may be later than `last_seen`."""

    profile_id: UUID
    started_at: datetime
    last_seen: datetime
    ends_at: datetime


class NewReport(Struct, frozen=True):
    """A session that is over; with a `platform`, its opening at `started_at`."""

    profile_id: UUID
    started_at: datetime
    last_at: datetime
    platform: Platform | None = None


class SessionReport(NewReport, frozen=True, kw_only=True):
    """A queued report."""

    id: UUID


async def add(connection: Connection, reports: Sequence[NewReport]) -> None:
    """Queue reports."""
    await connection.execute(
        """
        INSERT INTO session_reports (profile_id, started_at, last_at, platform)
        SELECT profile_id, started_at, last_at, platform FROM jsonb_to_recordset(%s) AS item (
          profile_id uuid, started_at timestamptz, last_at timestamptz, platform text)
        """,
        (Jsonb([asdict(report) for report in reports]),),
    )


async def next_due(connection: Connection) -> tuple[datetime | None, bool]:
    """Return when the next open session is due, and whether reports are queued."""
    cursor = await connection.execute(
        """
        SELECT (SELECT min(ends_at) FROM profile_activity WHERE ends_at IS NOT NULL) AS at,
               EXISTS (SELECT FROM session_reports) AS has_waiting
        """
    )
    row = await cursor.fetchone()
    return (row["at"], row["has_waiting"]) if row else (None, False)


async def lock(connection: Connection) -> bool:
    """Become the reporter for this transaction; return whether no other one is."""
    cursor = await connection.execute("SELECT pg_try_advisory_xact_lock(%s) AS is_mine", (_LOCK,))
    row = await cursor.fetchone()
    return row is not None and bool(row["is_mine"])


async def find_ending(connection: Connection, at: datetime, limit: int) -> list[OpenSession]:
    """Return the open sessions that are due, the earliest first."""
    cursor = await connection.execute(
        """
        SELECT profile_id, session_started_at AS started_at, last_seen, ends_at FROM profile_activity
        WHERE ends_at <= %s ORDER BY ends_at LIMIT %s
        """,
        (at, limit),
    )
    return [OpenSession(**row) async for row in cursor]


async def find_waiting(connection: Connection, limit: int) -> list[SessionReport]:
    """Return queued reports, in order."""
    cursor = await connection.execute(
        "SELECT profile_id, started_at, last_at, platform, id FROM session_reports ORDER BY id LIMIT %s", (limit,)
    )
    return [SessionReport(**row) async for row in cursor]


async def find_people(connection: Connection, profile_ids: Collection[UUID]) -> dict[UUID, NamedPerson]:
    """Return people by an id that an event can name; those being erased have none."""
    cursor = await connection.execute(
        """
        SELECT profiles.id AS profile_id, user_id, (
          SELECT min(value) FROM identities
          WHERE identities.profile_id = profiles.id AND kind = 'anonymous' AND user_id IS NULL) AS anonymous_id
        FROM profiles WHERE id = ANY(%s)
        """,
        (list(profile_ids),),
    )
    people = [NamedPerson(**row) async for row in cursor]
    return {one.profile_id: one for one in people if one.user_id is not None or one.anonymous_id is not None}


async def end(connection: Connection, ends: Mapping[OpenSession, datetime]) -> None:
    """End sessions of locked people after their last events, unless they have changed."""
    await _update(connection, ends, "ended_at = item.at, ends_at = NULL")


async def prolong(connection: Connection, ends: Mapping[OpenSession, datetime]) -> None:
    """Look again at sessions of locked people that had later events."""
    await _update(connection, ends, "ends_at = item.at")


async def delete(connection: Connection, ids: Sequence[UUID]) -> None:
    """Delete queued reports."""
    if ids:
        await connection.execute("DELETE FROM session_reports WHERE id = ANY(%s)", (list(ids),))


async def _update(connection: Connection, ends: Mapping[OpenSession, datetime], change: str) -> None:
    if not ends:
        return
    items = [
        {"id": one.profile_id, "started_at": one.started_at, "ends_at": one.ends_at, "at": last_at + SILENCE}
        for one, last_at in ends.items()
    ]
    await connection.execute(
        f"""
        UPDATE profile_activity SET {change}
        FROM jsonb_to_recordset(%s) AS item (id uuid, started_at timestamptz, ends_at timestamptz, at timestamptz)
        WHERE profile_id = item.id AND session_started_at = item.started_at
          AND profile_activity.ends_at = item.ends_at
        """,  # noqa: S608 -- one of two constants
        (Jsonb(items),),
    )
