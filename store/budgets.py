"""The budgets of days and campaigns, leased in slices to several rows.

A message takes its cost from one of the slots, so that grants do not wait for one row. A slot whose slice is used up
leases the next one from slot 0. Once all is leased, the rest is sought in all slots under the lock of slot 0, so that a
budget is exact. A message that fails or is cancelled gives its cost back by a row of `budget_returns`, which a trigger
writes and the next lease takes in. Slots are locked after slot 0, and nothing after them but those of the next budget.
"""

from collections.abc import Collection, Sequence
from itertools import accumulate
from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.sending.budgets import BudgetCharge
from domain.sending.caps import HIGH, TRANSACTIONAL
from store.database import Connection

SLOTS: Final = 16
# A slice is so small a part of the budget that little is left over in the slots.
SLICES: Final = SLOTS * 8


async def take(connection: Connection, charge: BudgetCharge, limit: int, place: int) -> bool:
    """Take the cost of one message; False if the budget has no room.

    `place` spreads messages over the slots.
    """
    slot = 1 + place % SLOTS
    # A row that was waited for stays locked though it has no room any more, and slot 0 is locked before the others.
    await connection.execute("SAVEPOINT budget")
    cursor = await connection.execute(
        """
        UPDATE budget_slots SET used = used + %s
        WHERE budget = %s AND key = %s AND slot = %s AND used + %s <= leased RETURNING slot
        """,
        (charge.micros, charge.budget, charge.key, slot, charge.micros),
    )
    if await cursor.fetchone() is not None:
        await connection.execute("RELEASE SAVEPOINT budget")
        return True
    await connection.execute("ROLLBACK TO SAVEPOINT budget")
    return await take_many(connection, charge.budget, charge.key, limit, [charge.micros], slot) == 1


async def take_many(
    connection: Connection, budget: str, key: str, limit: int, costs: Sequence[int], slot: int = 1
) -> int:
    """Take the costs of several messages; return how many of the first ones have room."""
    left = await _lock(connection, budget, key, limit)
    wanted = sum(costs)
    if left >= wanted:
        await _lease(connection, budget, key, slot, leased=min(left, max(wanted, limit // SLICES)), used=wanted)
        return len(costs)
    cursor = await connection.execute(
        """
        SELECT slot, leased - used AS free FROM budget_slots
        WHERE budget = %s AND key = %s AND slot > 0 AND used < leased ORDER BY slot FOR UPDATE
        """,
        (budget, key),
    )
    free = {row["slot"]: row["free"] for row in await cursor.fetchall()}
    room = max(left, 0) + sum(free.values())
    fitting = [total for total in accumulate(costs) if total <= room]
    open_ = fitting[-1] if fitting else 0
    for other, part in free.items():
        taken = min(part, open_)
        if taken:
            await _lease(connection, budget, key, other, leased=0, used=taken)
            open_ -= taken
    if open_:
        await _lease(connection, budget, key, slot, leased=open_, used=open_)
    return len(fitting)


async def give_back(connection: Connection, charges: Collection[BudgetCharge]) -> None:
    """Give back what was taken for messages that do not go."""
    await connection.execute(
        """
        INSERT INTO budget_returns (budget, key, micros)
        SELECT budget, key, micros FROM jsonb_to_recordset(%s) AS item (budget text, key text, micros bigint)
        """,
        (Jsonb(charges),),
    )


async def spent_on(
    connection: Connection, profile_ids: Collection[UUID], currency: str, channels: Sequence[str]
) -> dict[UUID, int]:
    """Return what messages of people cost in budgets. Requires the people's locks."""
    cursor = await connection.execute(
        """
        SELECT profile_id, sum(cost)::bigint AS micros FROM messages
        WHERE profile_id = ANY(%s) AND currency = %s AND (%s OR channel = ANY(%s)) AND category <> %s
          AND priority <> %s AND state IN ('reserved', 'sending', 'sent', 'unknown')
        GROUP BY profile_id
        """,
        (list(profile_ids), currency, not channels, list(channels), TRANSACTIONAL, HIGH),
    )
    return {row["profile_id"]: row["micros"] async for row in cursor}


async def _lock(connection: Connection, budget: str, key: str, limit: int) -> int:
    """Lock slot 0 and take in what was given back; return what is not leased."""
    await connection.execute(
        "INSERT INTO budget_slots (budget, key, slot) VALUES (%s, %s, 0) ON CONFLICT DO NOTHING", (budget, key)
    )
    await connection.execute(
        "SELECT FROM budget_slots WHERE budget = %s AND key = %s AND slot = 0 FOR UPDATE", (budget, key)
    )
    cursor = await connection.execute(
        """
        WITH returned AS (DELETE FROM budget_returns WHERE budget = %(budget)s AND key = %(key)s RETURNING micros)
        UPDATE budget_slots SET leased = leased - COALESCE((SELECT sum(micros) FROM returned), 0)
        WHERE budget = %(budget)s AND key = %(key)s AND slot = 0 RETURNING leased
        """,
        {"budget": budget, "key": key},
    )
    row = await cursor.fetchone()
    return limit - (row["leased"] if row else 0)


async def _lease(connection: Connection, budget: str, key: str, slot: int, *, leased: int, used: int) -> None:
    await connection.execute(
        "UPDATE budget_slots SET leased = leased + %s WHERE budget = %s AND key = %s AND slot = 0",
        (leased, budget, key),
    )
    await connection.execute(
        """
        INSERT INTO budget_slots AS known (budget, key, slot, leased, used) VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (budget, key, slot)
        DO UPDATE SET leased = known.leased + EXCLUDED.leased, used = known.used + EXCLUDED.used
        """,
        (budget, key, slot, leased, used),
    )
