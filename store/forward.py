"""Queries for moving the clock of a development deployment."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from domain.campaign.life import ENDED
from store import outbox
from store.database import Connection


class Wake(Struct, frozen=True):
    """The journey that wakes next, and when."""

    at: datetime
    user: str
    campaign: str
    step: str | None


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
        "SELECT key FROM campaigns WHERE state NOT IN ('draft', %s, 'archived') ORDER BY key", (ENDED,)
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


async def has_due_rows(connection: Connection) -> bool:
    """Return whether the relay has rows to deliver now."""
    cursor = await connection.execute(
        "SELECT 1 FROM outbox WHERE available_at <= (statement_timestamp() + clock_ahead()) LIMIT 1"
    )
    return await cursor.fetchone() is not None
