"""The daily limits of providers, leased in slices to several rows.

A message takes from one of the slots of its provider's day, so that decisions do not wait for one row. A slot whose
slice is used up leases the next one from the day's row, slot 0. Once all is leased, what is left is sought in all slots
under the lock of the day's row, so that the limit is exact. Slots are locked after the day's row, and nothing after
them.

A message that was postponed before its hand-over keeps its place for the rest of the day.
"""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from domain.sending.claim import POSTPONING_REASONS
from domain.sending.routes import DailyLimit
from store.database import Connection

SLOTS: Final = 16
# A slice is so small a part of the day that little is left over in the slots.
SLICES: Final = SLOTS * 8


# The messages that were postponed after a grant of the day: each has its place.
_KEPT: Final = """
FROM messages WHERE id = ANY(%(ids)s) AND provider = %(provider)s AND state = 'cancelled'
  AND reason = ANY(%(postponing)s) AND at >= %(since)s
"""


async def take(connection: Connection, provider: str, limit: DailyLimit, message_id: UUID) -> bool:
    """Take one message from a provider's day; False if the day is full.

    The id spreads messages over the slots.
    """
    slot = 1 + message_id.int % SLOTS
    cursor = await connection.execute(
        f"""
        WITH kept AS (SELECT 1 {_KEPT}), taken AS (
          UPDATE provider_days SET used = used + 1
          WHERE provider = %(provider)s AND day = %(day)s AND slot = %(slot)s AND used < leased
            AND NOT EXISTS (SELECT FROM kept)
          RETURNING slot
        )
        SELECT 1 FROM kept UNION ALL SELECT 1 FROM taken
        """,  # noqa: S608 -- a constant of this module
        {**_kept_parameters(provider, limit, [message_id]), "day": limit.day, "slot": slot},
    )
    if await cursor.fetchone() is not None:
        return True
    left = await _lock_day(connection, provider, limit)
    if left <= 0:
        return await _take_left_over(connection, provider, limit, 1) == 1
    slice = min(left, max(1, limit.messages // SLICES))
    await _lease(connection, provider, limit, slot, leased=slice, used=1)
    return True


async def take_many(connection: Connection, provider: str, limit: DailyLimit, number: int) -> int:
    """Take several messages at once; return how many the day has room for."""
    left = max(0, await _lock_day(connection, provider, limit))
    direct = min(left, number)
    if direct:
        await _lease(connection, provider, limit, 1, leased=direct, used=direct)
    if direct == number:
        return number
    return direct + await _take_left_over(connection, provider, limit, number - direct)


async def count_kept(connection: Connection, provider: str, limit: DailyLimit, message_ids: Collection[UUID]) -> int:
    """Count the messages that have a place in a provider's day already."""
    cursor = await connection.execute(
        f"SELECT count(*) AS number {_KEPT}",
        _kept_parameters(provider, limit, message_ids),
    )
    row = await cursor.fetchone()
    return int(row["number"]) if row else 0


def _kept_parameters(provider: str, limit: DailyLimit, message_ids: Collection[UUID]) -> dict[str, object]:
    return {
        "ids": list(message_ids),
        "provider": provider,
        "postponing": list(POSTPONING_REASONS),
        "since": limit.since,
    }


async def _lock_day(connection: Connection, provider: str, limit: DailyLimit) -> int:
    """Lock the day's row; return what is not leased yet."""
    await connection.execute(
        "INSERT INTO provider_days (provider, day, slot) VALUES (%s, %s, 0) ON CONFLICT DO NOTHING",
        (provider, limit.day),
    )
    cursor = await connection.execute(
        "SELECT leased FROM provider_days WHERE provider = %s AND day = %s AND slot = 0 FOR UPDATE",
        (provider, limit.day),
    )
    row = await cursor.fetchone()
    return limit.messages - (row["leased"] if row else 0)


async def _lease(
    connection: Connection, provider: str, limit: DailyLimit, slot: int, *, leased: int, used: int
) -> None:
    await connection.execute(
        "UPDATE provider_days SET leased = leased + %s WHERE provider = %s AND day = %s AND slot = 0",
        (leased, provider, limit.day),
    )
    await connection.execute(
        """
        INSERT INTO provider_days AS known (provider, day, slot, leased, used) VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (provider, day, slot)
        DO UPDATE SET leased = known.leased + EXCLUDED.leased, used = known.used + EXCLUDED.used
        """,
        (provider, limit.day, slot, leased, used),
    )


async def _take_left_over(connection: Connection, provider: str, limit: DailyLimit, number: int) -> int:
    """Take what other slots have left over. Requires the lock of the day's row."""
    cursor = await connection.execute(
        """
        SELECT slot, leased - used AS free FROM provider_days
        WHERE provider = %s AND day = %s AND slot > 0 AND used < leased ORDER BY slot FOR UPDATE
        """,
        (provider, limit.day),
    )
    taken = 0
    for row in await cursor.fetchall():
        part = min(row["free"], number - taken)
        if part <= 0:
            break
        await connection.execute(
            "UPDATE provider_days SET used = used + %s WHERE provider = %s AND day = %s AND slot = %s",
            (part, provider, limit.day, row["slot"]),
        )
        taken += part
    return taken
