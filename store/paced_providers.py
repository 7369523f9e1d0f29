"""Providers that had a pace, and whose queues may still have sends."""

from collections.abc import Collection

from store.database import Connection


async def find_left_behind(connection: Connection, paced: Collection[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Return channel and name of providers with a former pace that open messages name."""
    cursor = await connection.execute(
        """
        SELECT DISTINCT rule ->> 'channel' AS channel, rule ->> 'name' AS name
        FROM documents CROSS JOIN jsonb_array_elements(rules) AS rule
        WHERE kind = 'providers' AND rule ? 'per_second'
        """
    )
    former = {(row["channel"], row["name"]) for row in await cursor.fetchall()} - set(paced)
    if not former:
        return frozenset()
    cursor = await connection.execute(
        """
        SELECT DISTINCT channel, provider FROM messages
        WHERE state IN ('reserved', 'sending') AND provider = ANY(%s)
        """,
        ([name for _, name in former],),
    )
    return frozenset((row["channel"], row["provider"]) for row in await cursor.fetchall()) & former
