"""Queries for moving the clock of a development deployment."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, LiteralString

from msgspec import Struct

from domain.campaign.life import ENDED
from store import outbox
from store.database import Connection
from store.single_messages import is_template


class Wake(Struct, frozen=True):
    """The journey that wakes next, and when."""

    at: datetime
    user: str
    campaign: str
    step: str | None


class DuePerson(Struct, frozen=True):
    """The person who is due next, and when."""

    at: datetime
    user: str


async def clock_ahead(connection: Connection) -> timedelta:
    """Return the lead of the deployment's clock."""
    cursor = await connection.execute("SELECT clock_ahead() AS ahead")
    row = await cursor.fetchone()
    return row["ahead"] if row else timedelta(0)


async def wake_relay(connection: Connection) -> None:
    """Wake the relays: rows may be due by the new time."""
    await connection.execute("SELECT pg_notify(%s, '')", (outbox.CHANNEL,))


async def open_journeys(connection: Connection) -> list[str]:
    """Return the workflow ids of all active journeys, in order."""
    cursor = await connection.execute("SELECT workflow_id FROM journeys WHERE state = 'active' ORDER BY id")
    return [row["workflow_id"] async for row in cursor]


async def live_campaigns(connection: Connection) -> Sequence[str]:
    """Return the keys of campaigns that are started and not ended."""
    cursor = await connection.execute(
        f"""
        SELECT key FROM campaigns
        WHERE state NOT IN ('draft', %s, 'archived') AND NOT {is_template("key")} ORDER BY key
        """,  # noqa: S608 -- a constant of the store
        (ENDED,),
    )
    return [row["key"] async for row in cursor]


_NEXT_WAKE: Final = """
SELECT wakes_at AS at, COALESCE(user_id, '(anonymous)') AS user, campaign_key AS campaign, step
FROM journeys JOIN profiles ON profiles.id = profile_id
WHERE state = 'active' AND wakes_at > %s
ORDER BY wakes_at LIMIT 1
"""


async def next_wake(connection: Connection, after: datetime) -> Wake | None:
    """Return the first journey to wake after an instant."""
    cursor = await connection.execute(_NEXT_WAKE, (after,))
    row = await cursor.fetchone()
    return Wake(**row) if row else None


_NEXT_LOOK: Final = """
SELECT next_at AS at, COALESCE(user_id, '(anonymous)') AS user
FROM profile_states JOIN profiles ON profiles.id = profile_id
WHERE next_at > %s
ORDER BY next_at LIMIT 1
"""
_NEXT_SESSION_END: Final = """
SELECT ends_at AS at, COALESCE(user_id, '(anonymous)') AS user
FROM profile_activity JOIN profiles ON profiles.id = profile_id
WHERE ends_at > %s
ORDER BY ends_at LIMIT 1
"""


async def next_look(connection: Connection, after: datetime) -> DuePerson | None:
    """Return the first person whose computed traits may change after an instant."""
    return await _next_person(connection, _NEXT_LOOK, after)


async def next_session_end(connection: Connection, after: datetime) -> DuePerson | None:
    """Return the first person whose session ends after an instant."""
    return await _next_person(connection, _NEXT_SESSION_END, after)


async def _next_person(connection: Connection, query: LiteralString, after: datetime) -> DuePerson | None:
    cursor = await connection.execute(query, (after,))
    row = await cursor.fetchone()
    return DuePerson(**row) if row else None


_HAS_DUE_PEOPLE: Final = """
SELECT EXISTS (SELECT FROM profile_states WHERE next_at <= statement_timestamp() + clock_ahead())
    OR EXISTS (SELECT FROM profile_activity WHERE ends_at <= statement_timestamp() + clock_ahead())
    OR EXISTS (SELECT FROM session_reports)
    -- Sessions are known once their events were learned from.
    OR EXISTS (SELECT FROM events
               WHERE recorded_xid > COALESCE((SELECT xid FROM stream_consumers WHERE name = 'activity'), 0))
    AS is_due
"""


async def has_due_people(connection: Connection) -> bool:
    """Return whether sweepers have people to look at, or will once profiles learned."""
    cursor = await connection.execute(_HAS_DUE_PEOPLE)
    row = await cursor.fetchone()
    return row is not None and bool(row["is_due"])


async def has_due_rows(connection: Connection) -> bool:
    """Return whether the relay has rows to deliver now."""
    cursor = await connection.execute(
        "SELECT 1 FROM outbox WHERE available_at <= (statement_timestamp() + clock_ahead()) LIMIT 1"
    )
    return await cursor.fetchone() is not None
