"""Messages that their providers can take back, and those that are wanted back.

A trigger of `journeys` makes the messages of an ended journey due, so that no statement can forget it.
"""

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from domain.sending.claim import MessageState
from store.database import Connection
from store.transaction_metrics import Metric

# A recall that a worker has begun and not ended is taken by another one after this time.
LEASE = timedelta(minutes=3)


class DueRecall(Struct, frozen=True):
    """A message that is wanted back, as its row is, if its person was not erased."""

    message_id: UUID
    channel: str
    provider: str
    possible_until: datetime
    attempts: int
    state: MessageState | None
    provider_id: str | None
    claimed_at: datetime | None
    now: datetime


async def keep(connection: Connection, message_id: UUID, provider: str, seconds: float) -> None:
    """Note that a claimed message can be taken back, for so long after its hand-over."""
    await connection.execute(
        """
        INSERT INTO recalls (message_id, journey_id, channel, provider, possible_until)
        SELECT id, journey_id, channel, %s, greatest(at, clock_timestamp()) + make_interval(secs => %s)
        FROM messages WHERE id = %s
        ON CONFLICT (message_id) DO UPDATE
        SET provider = EXCLUDED.provider, possible_until = EXCLUDED.possible_until
        """,
        (provider, seconds, message_id),
    )


async def next_due(connection: Connection) -> tuple[datetime | None, datetime]:
    """Return when the next recall is due, and the time of the database."""
    cursor = await connection.execute("SELECT min(due_at) AS due_at, clock_timestamp() AS now FROM recalls")
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 -- an aggregate has a row
    return row["due_at"], row["now"]


async def take_due(connection: Connection, limit: int) -> list[DueRecall]:
    """Take those that are due, for as long as LEASE."""
    cursor = await connection.execute(
        """
        WITH due AS (
          SELECT message_id FROM recalls WHERE due_at <= clock_timestamp()
          ORDER BY due_at, message_id LIMIT %s FOR UPDATE SKIP LOCKED
        ), taken AS (
          UPDATE recalls SET due_at = clock_timestamp() + %s FROM due WHERE recalls.message_id = due.message_id
          RETURNING recalls.*
        )
        SELECT message_id, taken.channel, taken.provider, possible_until, taken.attempts, state, provider_id,
               claimed_at, clock_timestamp() AS now
        FROM taken LEFT JOIN messages ON messages.id = message_id
        """,
        (limit, LEASE),
    )
    return [DueRecall(**row) async for row in cursor]


async def put_off(connection: Connection, message_id: UUID, until: datetime) -> None:
    """Ask about a message again, once more than before."""
    await connection.execute(
        "UPDATE recalls SET due_at = %s, attempts = attempts + 1 WHERE message_id = %s", (until, message_id)
    )


async def end(
    connection: Connection, message_id: UUID, state: MessageState | None, reason: str | None, detail: str | None
) -> None:
    """End a recall; write to its message what came of it, if there is a state."""
    await connection.execute("DELETE FROM recalls WHERE message_id = %s", (message_id,))
    if state is None:
        return
    cursor = await connection.execute(
        """
        UPDATE messages
        SET state = %(state)s, reason = COALESCE(%(reason)s, reason), detail = %(detail)s,
            settled_at = CASE WHEN state = %(state)s THEN settled_at ELSE clock_timestamp() END
        WHERE id = %(id)s AND state IN ('sent', 'unknown')
        RETURNING campaign_key, channel, state
        """,
        {"id": message_id, "state": state, "reason": reason, "detail": detail},
    )
    if reason is not None and (row := await cursor.fetchone()) is not None:
        connection.metrics.add(Metric.SETTLED, row["campaign_key"], row["channel"], row["state"], reason)


async def forget(connection: Connection) -> None:
    """Delete the rows of messages that were never wanted back."""
    await connection.execute("DELETE FROM recalls WHERE due_at IS NULL AND possible_until < clock_timestamp()")
