"""The daily limits of providers, kept as leases.

A message that was postponed before its hand-over keeps its place for the rest of the day.
"""

from collections.abc import Collection
from uuid import UUID

from domain.sending.budgets import day_key
from domain.sending.claim import POSTPONING_REASONS
from domain.sending.routes import DailyLimit
from store import leases
from store.database import Connection


async def take(connection: Connection, provider: str, limit: DailyLimit, message_id: UUID) -> bool:
    """Take one message from a provider's day; False if the day is full."""
    if await count_kept(connection, provider, limit, [message_id]):
        return True
    return await leases.take(connection, *_lease(provider, limit), 1, limit.messages, message_id.int)


async def has_room(connection: Connection, provider: str, limit: DailyLimit) -> bool:
    """Return whether a provider's day has room for a new message, without a lock."""
    return await leases.has_room(connection, *_lease(provider, limit), 1, limit.messages)


async def take_many(connection: Connection, provider: str, limit: DailyLimit, number: int) -> int:
    """Take several messages at once; return how many the day has room for."""
    return await leases.take_many(connection, *_lease(provider, limit), limit.messages, [1] * number)


async def give_back(connection: Connection, provider: str, limit: DailyLimit, message_ids: Collection[UUID]) -> None:
    """Give back the places of messages that do not go, but for those that they keep."""
    number = len(message_ids) - await count_kept(connection, provider, limit, message_ids)
    if number:
        await leases.give_back(connection, *_lease(provider, limit), number)


async def count_kept(connection: Connection, provider: str, limit: DailyLimit, message_ids: Collection[UUID]) -> int:
    """Count the messages that have a place in a provider's day already."""
    cursor = await connection.execute(
        """
        SELECT count(*) AS number FROM messages
        WHERE id = ANY(%(ids)s) AND provider = %(provider)s AND state = 'cancelled'
          AND reason = ANY(%(postponing)s) AND at >= %(since)s
        """,
        {
            "ids": list(message_ids),
            "provider": provider,
            "postponing": list(POSTPONING_REASONS),
            "since": limit.since,
        },
    )
    row = await cursor.fetchone()
    return int(row["number"]) if row else 0


def _lease(provider: str, limit: DailyLimit) -> tuple[str, str]:
    # No budget has a colon in its name.
    return f"warm-up:{provider}", day_key(limit.day)
