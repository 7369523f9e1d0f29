"""Charges of budgets given back, and what messages to people cost.

A message that fails or is cancelled gives its cost back by a row of `lease_returns`, which a trigger writes. One with
fewer parts than it was charged for gives the difference back.
"""

from collections.abc import Collection, Sequence
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.sending.budgets import BudgetCharge
from domain.sending.caps import HIGH, ONE_TIME_CODE, TRANSACTIONAL
from domain.sending.money import PartsCount
from store.database import Connection


async def give_back(connection: Connection, charges: Collection[BudgetCharge]) -> None:
    """Give back what was taken for messages that do not go."""
    await connection.execute(
        """
        INSERT INTO lease_returns (name, key, amount)
        SELECT budget, key, micros FROM jsonb_to_recordset(%s) AS item (budget text, key text, micros bigint)
        """,
        (Jsonb(charges),),
    )


async def charge_parts(connection: Connection, message_id: UUID, charged: int, parts: PartsCount) -> None:
    """Charge a message that went for its parts alone; give the rest back.

    `charged` is its cost for the most parts, as it was granted: another attempt may have lowered it before.
    """
    await connection.execute(
        """
        WITH lowered AS (
          UPDATE messages
          SET cost = cost * %(number)s / %(most)s,
              charges = (SELECT jsonb_agg(item || jsonb_build_object(
                           'micros', (item ->> 'micros')::bigint * %(number)s / %(most)s) ORDER BY place)
                         FROM jsonb_array_elements(charges) WITH ORDINALITY AS each (item, place))
          WHERE id = %(id)s AND cost = %(charged)s AND state IN ('sent', 'unknown')
          RETURNING old.charges
        )
        INSERT INTO lease_returns (name, key, amount)
        SELECT budget, key, micros - micros * %(number)s / %(most)s
        FROM lowered, jsonb_to_recordset(charges) AS item (budget text, key text, micros bigint)
        """,
        {"id": message_id, "charged": charged, "number": parts.number, "most": parts.most},
    )


async def spent_on(
    connection: Connection, profile_ids: Collection[UUID], currency: str, channels: Sequence[str]
) -> dict[UUID, int]:
    """Return what messages of people cost in budgets. Requires the people's locks."""
    cursor = await connection.execute(
        """
        SELECT profile_id, sum(cost)::bigint AS micros FROM messages
        WHERE profile_id = ANY(%s) AND currency = %s AND (%s OR channel = ANY(%s))
          AND category <> ALL(%s) AND priority <> %s AND state IN ('reserved', 'sending', 'sent', 'unknown')
        GROUP BY profile_id
        """,
        (list(profile_ids), currency, not channels, list(channels), [TRANSACTIONAL, ONE_TIME_CODE], HIGH),
    )
    return {row["profile_id"]: row["micros"] async for row in cursor}
