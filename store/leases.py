"""Limits that many messages share, leased in slices to several rows.

A lease has a name and a key, such as a budget and its day or month, or a provider and a day of its warm-up. A message
takes its amount from one of the slots, so that grants do not wait for one row. A slot whose slice is used up leases
the next one from slot 0. Once all is leased, the rest is sought in all slots under the lock of slot 0, so that a
limit is exact. Amounts given back stand in `lease_returns` until the next lease takes them in. Slots are locked after
slot 0, and nothing after them but those of the next lease.
"""

from collections.abc import Sequence
from datetime import timedelta
from itertools import accumulate
from typing import Final

from domain.sending.budgets import day_key, month_key
from store.database import Connection

SLOTS: Final = 16
# A slice is so small a part of the limit that little is left over in the slots.
SLICES: Final = SLOTS * 8
# How long the leases of a day or a month stay: its messages may fail or be taken back for days.
LIFETIME: Final = timedelta(days=7)
# Rows deleted in one transaction.
PAGE: Final = 10_000


async def take(connection: Connection, name: str, key: str, amount: int, limit: int, place: int) -> bool:
    """Take an amount; False if there is no room for it.

    `place` spreads messages over the slots.
    """
    slot = 1 + place % SLOTS
    # A row that was waited for stays locked though it has no room any more, and slot 0 is locked before the others.
    await connection.execute("SAVEPOINT lease")
    cursor = await connection.execute(
        """
        UPDATE leases SET used = used + %(amount)s
        WHERE name = %(name)s AND key = %(key)s AND slot = %(slot)s AND used + %(amount)s <= leased RETURNING slot
        """,
        {"name": name, "key": key, "slot": slot, "amount": amount},
    )
    if await cursor.fetchone() is not None:
        await connection.execute("RELEASE SAVEPOINT lease")
        return True
    await connection.execute("ROLLBACK TO SAVEPOINT lease")
    return await take_many(connection, name, key, limit, [amount], slot) == 1


async def has_room(connection: Connection, name: str, key: str, amount: int, limit: int) -> bool:
    """Return whether `take` would have room now, without a lock."""
    if not amount:
        return True
    cursor = await connection.execute(
        """
        SELECT %(limit)s - COALESCE(sum(leased) FILTER (WHERE slot = 0), 0)
             + COALESCE(sum(leased - used) FILTER (WHERE slot > 0), 0)
             + COALESCE((SELECT sum(amount) FROM lease_returns WHERE name = %(name)s AND key = %(key)s), 0)
             >= %(amount)s AS has_room
        FROM leases WHERE name = %(name)s AND key = %(key)s
        """,
        {"name": name, "key": key, "amount": amount, "limit": limit},
    )
    [row] = await cursor.fetchall()
    return bool(row["has_room"])


async def take_many(
    connection: Connection, name: str, key: str, limit: int, amounts: Sequence[int], slot: int = 1
) -> int:
    """Take several amounts; return how many of the first ones have room."""
    wanted = sum(amounts)
    if not wanted:
        return len(amounts)
    left = await _lock(connection, name, key, limit)
    if left >= wanted:
        await _lease(connection, name, key, slot, leased=min(left, max(wanted, limit // SLICES)), used=wanted)
        return len(amounts)
    cursor = await connection.execute(
        """
        SELECT slot, leased - used AS free FROM leases
        WHERE name = %s AND key = %s AND slot > 0 AND used < leased ORDER BY slot FOR UPDATE
        """,
        (name, key),
    )
    free = {row["slot"]: row["free"] for row in await cursor.fetchall()}
    room = max(left, 0) + sum(free.values())
    fitting = [total for total in accumulate(amounts) if total <= room]
    open_ = fitting[-1] if fitting else 0
    for other, part in free.items():
        taken = min(part, open_)
        if taken:
            await _lease(connection, name, key, other, leased=0, used=taken)
            open_ -= taken
    if open_:
        await _lease(connection, name, key, slot, leased=open_, used=open_)
    return len(fitting)


async def give_back(connection: Connection, name: str, key: str, amount: int) -> None:
    """Give an amount back, for the next lease."""
    await connection.execute("INSERT INTO lease_returns (name, key, amount) VALUES (%s, %s, %s)", (name, key, amount))


async def forget_past(connection: Connection, limit: int = PAGE) -> bool:
    """Delete a page of the leases of past days and months, and of what was given back.

    Return whether there may be more.
    """
    oldest = (connection.clock.now() - LIFETIME).date()
    before = {"day": day_key(oldest), "month": month_key(oldest), "limit": limit}
    cursor = await connection.execute(
        """
        DELETE FROM leases WHERE (name, key, slot) IN (
          SELECT name, key, slot FROM leases
          WHERE (key LIKE 'day %%' AND key COLLATE "C" < %(day)s)
             OR (key LIKE 'month %%' AND key COLLATE "C" < %(month)s)
          LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
        """,
        before,
    )
    deleted = cursor.rowcount
    cursor = await connection.execute(
        """
        DELETE FROM lease_returns WHERE id IN (
          SELECT id FROM lease_returns
          WHERE (key LIKE 'day %%' AND key COLLATE "C" < %(day)s)
             OR (key LIKE 'month %%' AND key COLLATE "C" < %(month)s)
          LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
        """,
        before,
    )
    return limit in (deleted, cursor.rowcount)


async def _lock(connection: Connection, name: str, key: str, limit: int) -> int:
    """Lock slot 0 and take in what was given back; return what is not leased."""
    await connection.execute(
        "INSERT INTO leases (name, key, slot) VALUES (%s, %s, 0) ON CONFLICT DO NOTHING", (name, key)
    )
    await connection.execute("SELECT FROM leases WHERE name = %s AND key = %s AND slot = 0 FOR UPDATE", (name, key))
    cursor = await connection.execute(
        """
        WITH returned AS (DELETE FROM lease_returns WHERE name = %(name)s AND key = %(key)s RETURNING amount)
        UPDATE leases SET leased = leased - COALESCE((SELECT sum(amount) FROM returned), 0)
        WHERE name = %(name)s AND key = %(key)s AND slot = 0 RETURNING leased
        """,
        {"name": name, "key": key},
    )
    row = await cursor.fetchone()
    return limit - (row["leased"] if row else 0)


async def _lease(connection: Connection, name: str, key: str, slot: int, *, leased: int, used: int) -> None:
    await connection.execute(
        "UPDATE leases SET leased = leased + %s WHERE name = %s AND key = %s AND slot = 0",
        (leased, name, key),
    )
    await connection.execute(
        """
        INSERT INTO leases AS known (name, key, slot, leased, used) VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (name, key, slot)
        DO UPDATE SET leased = known.leased + EXCLUDED.leased, used = known.used + EXCLUDED.used
        """,
        (name, key, slot, leased, used),
    )
