"""What a move of the deployment's clock in development has to take along."""

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
    """Return by how much the deployment's clock runs ahead."""
    cursor = await connection.execute("SELECT clock_ahead() AS ahead")
    row = await cursor.fetchone()
    return row["ahead"] if row else timedelta(0)


async def wake_relay(connection: Connection) -> None:
    """Have the relays look at the outbox at once: rows may be due by the clock as it is now."""
    await connection.execute("SELECT pg_notify(%s, '')", (outbox.CHANNEL,))


async def open_journeys(connection: Connection) -> list[str]:
    """Return the workflow ids of all active journeys, in their order."""
    cursor = await connection.execute("SELECT workflow_id FROM journeys WHERE state = 'active' ORDER BY id")
    return [row["workflow_id"] async for row in cursor]


async def live_campaigns(connection: Connection) -> Sequence[str]:
    """Return the keys of the campaigns that are started and have not ended."""
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
    """Return the journey that wakes first after an instant."""
    cursor = await connection.execute(_NEXT_WAKE, (after,))
    row = await cursor.fetchone()
    return Wake(**row) if row else None


async def has_due_rows(connection: Connection) -> bool:
    """Whether the relay has something to deliver now."""
    cursor = await connection.execute(
        "SELECT 1 FROM outbox WHERE available_at <= (statement_timestamp() + clock_ahead()) LIMIT 1"
    )
    return await cursor.fetchone() is not None
