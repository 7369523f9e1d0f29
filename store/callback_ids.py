"""The ids of applied reports and copied replies, by which repeated ones are known."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from store.database import Connection

LIFETIME: Final = timedelta(days=30)


async def claim(connection: Connection, provider: str, event_ids: Collection[str], received_at: datetime) -> set[str]:
    """Claim the ids of a provider's reports until the commit; return the new ones.

    They are sorted, so that two callbacks with the same ids never deadlock.
    """
    cursor = await connection.execute(
        """
        INSERT INTO callback_ids (provider, event_id, received_at)
        SELECT %s, event_id, %s FROM unnest(%s::text[]) AS item (event_id) ORDER BY event_id
        ON CONFLICT DO NOTHING RETURNING event_id
        """,
        (provider, received_at, sorted(event_ids)),
    )
    return {row["event_id"] async for row in cursor}


async def find_claimed(connection: Connection, provider: str, event_ids: Collection[str]) -> set[str]:
    """Return those of a provider's ids that an applied report has."""
    cursor = await connection.execute(
        "SELECT event_id FROM callback_ids WHERE provider = %s AND event_id = ANY(%s)", (provider, list(event_ids))
    )
    return {row["event_id"] async for row in cursor}


async def release(connection: Connection, provider: str, event_id: str) -> None:
    """Give up a claim."""
    await connection.execute("DELETE FROM callback_ids WHERE provider = %s AND event_id = %s", (provider, event_id))


async def forget(connection: Connection, lifetime: timedelta) -> None:
    """Delete the ids of old reports."""
    await connection.execute("DELETE FROM callback_ids WHERE received_at < now() + clock_ahead() - %s", (lifetime,))
