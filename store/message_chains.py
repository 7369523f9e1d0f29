"""Messages by several channels: used channels, and messages before a fallback."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncCursor

from domain.sending.channel_choice import ENGAGEMENT_DAYS, Engagement
from domain.sending.fallbacks import EarlierMessage
from domain.sending.tracking.tokens import TRAP
from store.database import Connection

_EARLIER = "messages.id, channel, at, delivered_at, opened_at, clicked_at, replied_at"


# In how many seconds it is judged whether a person has opened what a fallback follows; NULL if nothing is to be judged:
# an expression for statements that read `messages`, once `lock_chain` has locked them.
VERDICT_SECONDS: Final = f"""
CASE WHEN messages.fallback_of IS NOT NULL THEN (
  SELECT greatest(1, extract(epoch FROM max(due_at) - clock_timestamp() - clock_ahead()))::float8
  FROM messages AS earlier JOIN link_hits ON link_hits.message_id = earlier.id
  WHERE earlier.journey_id = messages.journey_id
    AND (earlier.id = messages.fallback_of OR earlier.fallback_of = messages.fallback_of)
    AND is_person IS NULL AND NOT is_head AND client <> 'machine' AND number IS DISTINCT FROM {TRAP}
  HAVING count(*) > 0
) END
"""  # noqa: S608 -- a constant


async def find_before(connection: Connection, message_id: UUID, journey_id: UUID, step: str) -> list[EarlierMessage]:
    """Return the messages that a fallback follows, the first one first.

    They are that of the step's last visit, and its other fallbacks.
    """
    cursor = await connection.execute(
        f"""
        WITH first AS (
          SELECT id FROM messages WHERE journey_id = %(journey_id)s AND step = %(step)s AND retry_of IS NULL
          ORDER BY visit DESC LIMIT 1
        )
        SELECT {_EARLIER} FROM messages JOIN first ON messages.id = first.id OR messages.fallback_of = first.id
        WHERE journey_id = %(journey_id)s AND messages.id <> %(id)s AND state IN ('sent', 'unknown')
        ORDER BY messages.id <> first.id, at
        """,  # noqa: S608 -- a constant of this module
        {"journey_id": journey_id, "step": step, "id": message_id},
    )
    return [EarlierMessage(**row) async for row in cursor]


_LOCK_CHAIN = f"""
WITH own AS (SELECT id, journey_id, fallback_of FROM messages WHERE id = %s), chain AS (
  SELECT id FROM own
  UNION SELECT fallback_of FROM own WHERE fallback_of IS NOT NULL
  UNION SELECT other.id FROM own JOIN messages AS other USING (journey_id) WHERE other.fallback_of = own.fallback_of
)
SELECT {_EARLIER} FROM messages JOIN chain USING (id) ORDER BY messages.id FOR NO KEY UPDATE OF messages
"""  # noqa: S608 -- a constant of this module


async def lock_chain(connection: Connection, message_id: UUID) -> AsyncCursor[dict[str, Any]]:
    """Lock a message, and those before it if it is a fallback, by id; return them all.

    Reports lock the messages that they mark in the same order: their marks are seen here, or wait for the end of this
    transaction. In a pipeline, nothing is read yet.
    """
    return await connection.execute(_LOCK_CHAIN, (message_id,))


async def find_used_channels(connection: Connection, message_id: UUID) -> set[str]:
    """Return the channels by which a message certainly reached none of the addresses."""
    cursor = await connection.execute(
        """
        SELECT channel FROM deliveries WHERE message_id = %s GROUP BY channel HAVING bool_and(state = 'failed')
        """,
        (message_id,),
    )
    return {row["channel"] async for row in cursor}


async def count_engagement(
    connection: Connection, profile_id: UUID, channels: Sequence[str], at: datetime
) -> dict[str, Engagement]:
    """Count a person's latest messages by channel, and those with a reaction.

    Openings and clicks of machines are not among the reactions.
    """
    cursor = await connection.execute(
        """
        SELECT channel, count(*) AS messages,
               count(*) FILTER (WHERE COALESCE(opened_at, clicked_at, replied_at) IS NOT NULL) AS reactions
        FROM messages
        WHERE profile_id = %s AND channel = ANY(%s) AND state = 'sent' AND at > %s AND at <= %s
        GROUP BY channel
        """,
        (profile_id, list(channels), at - timedelta(days=ENGAGEMENT_DAYS), at),
    )
    return {row["channel"]: Engagement(row["messages"], row["reactions"]) async for row in cursor}
