"""The outbox: messages to Temporal, written in the transaction of their cause."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace
from psycopg.types.json import Jsonb

from domain.journey.records import campaign_workflow_id
from store.database import Connection
from store.trace_context import KEY, traceparent

CHANNEL = "sojourn_outbox"

# A newer row is delivered before the backlog.
FRESH_SECONDS = 10.0
# An older row is late: Temporal, or all workers, were away.
LATE_SECONDS = 60.0


OutboxKind = Literal["start", "matched", "exit", "resume", "skip", "campaign", "retry"]


class OutboxMessage(Struct, frozen=True):
    """A message to one workflow, with its data."""

    workflow_id: str
    kind: OutboxKind
    payload: dict[str, Any]


class OutboxRow(Struct, frozen=True):
    """A pending message, the oldest of its workflow; `is_alone` if it is the only one.

    `is_late` says that it has waited so long that newer rows come first.
    """

    id: int
    workflow_id: str
    kind: OutboxKind
    payload: dict[str, Any]
    bulk: bool
    is_late: bool
    is_alone: bool
    created_at: datetime
    attempts: int


# A campaign's rows of one priority are a partition. This finds each one's first row by an index look-up.
_PARTITIONS = """
partitions AS (
  (SELECT priority, partition, available_at FROM outbox ORDER BY priority, partition, available_at LIMIT 1)
  UNION ALL
  SELECT next.priority, next.partition, next.available_at FROM partitions CROSS JOIN LATERAL (
    SELECT priority, partition, available_at FROM outbox
    WHERE (outbox.priority, outbox.partition) > (partitions.priority, partitions.partition)
    ORDER BY priority, partition, available_at LIMIT 1) AS next
)
"""

# A subquery, not a join, is one index look-up, whatever the planner believes about the table.
_IS_OLDEST = "id = (SELECT min(older.id) FROM outbox AS older WHERE older.workflow_id = outbox.workflow_id)"

_TAKE = f"""
WITH RECURSIVE {_PARTITIONS}, due AS (
  SELECT priority, partition, row_number() OVER by_priority AS place,
         greatest(1, CASE priority WHEN 0 THEN %(limit)s / 2 ELSE %(bulk_limit)s END
                     / count(*) OVER (PARTITION BY priority)) AS share
  FROM partitions WHERE available_at <= (statement_timestamp() + clock_ahead())
  WINDOW by_priority AS (PARTITION BY priority ORDER BY random())
), fresh AS (
  SELECT row.* FROM due CROSS JOIN LATERAL (
    SELECT * FROM outbox
    WHERE priority = 0 AND partition = due.partition AND available_at <= (statement_timestamp() + clock_ahead())
      AND available_at > (statement_timestamp() + clock_ahead()) - make_interval(secs => %(fresh)s) AND {_IS_OLDEST}
    ORDER BY available_at DESC, id DESC LIMIT due.share FOR UPDATE SKIP LOCKED
  ) AS row WHERE due.priority = 0 AND due.place <= %(limit)s / 2
), old AS (
  SELECT row.* FROM due CROSS JOIN LATERAL (
    SELECT * FROM outbox
    WHERE priority = 0 AND partition = due.partition
      AND available_at <= (statement_timestamp() + clock_ahead()) AND {_IS_OLDEST}
    ORDER BY available_at, id LIMIT due.share FOR UPDATE SKIP LOCKED
  ) AS row WHERE due.priority = 0 AND due.place <= %(limit)s / 2
), triggered AS (
  SELECT * FROM fresh UNION ALL SELECT * FROM old WHERE id NOT IN (SELECT id FROM fresh)
), bulk AS (
  SELECT row.* FROM due CROSS JOIN LATERAL (
    SELECT * FROM outbox
    WHERE priority = 1 AND partition = due.partition
      AND available_at <= (statement_timestamp() + clock_ahead()) AND {_IS_OLDEST}
    ORDER BY available_at, id LIMIT due.share FOR UPDATE SKIP LOCKED
  ) AS row WHERE due.priority = 1
  LIMIT (SELECT greatest(0, least(%(bulk_limit)s, %(limit)s - count(*))) FROM triggered)
)
SELECT id, workflow_id, kind, payload, priority = 1 AS bulk, created_at, attempts,
       created_at < (statement_timestamp() + clock_ahead()) - make_interval(secs => %(late)s) AS is_late,
       NOT EXISTS (SELECT FROM outbox AS other
                   WHERE other.workflow_id = taken.workflow_id AND other.id > taken.id) AS is_alone
FROM (SELECT * FROM triggered UNION ALL SELECT * FROM bulk) AS taken
"""  # noqa: S608 - constants of this module

_NEXT_DUE = f"""
WITH RECURSIVE {_PARTITIONS}
SELECT extract(epoch FROM min(next.available_at) - (statement_timestamp() + clock_ahead()))::float8 AS seconds
FROM partitions CROSS JOIN LATERAL (
  SELECT available_at FROM outbox
  WHERE priority = partitions.priority AND partition = partitions.partition
    AND available_at > (statement_timestamp() + clock_ahead()) - make_interval(secs => %(looked)s)
  ORDER BY available_at LIMIT 1
) AS next
"""  # noqa: S608 - constants of this module


async def append(connection: Connection, messages: Sequence[OutboxMessage], *, bulk: bool = False) -> None:
    """Append messages in order, and wake the relays after the commit.

    Bulk messages, those of an operation's page of journeys, have lower priority than event-triggered ones. They are not
    part of the current trace, which would be as long as the page.
    """
    if not bulk and (trace := traceparent()) is not None:
        messages = [replace(message, payload={**message.payload, KEY: trace}) for message in messages]
    await connection.execute(
        """
        WITH appended AS (
          INSERT INTO outbox (workflow_id, kind, payload, priority)
          SELECT workflow_id, kind, payload, %s
          FROM ROWS FROM (jsonb_to_recordset(%s) AS (workflow_id text, kind text, payload jsonb))
               WITH ORDINALITY AS item (workflow_id, kind, payload, position)
          ORDER BY position
        )
        SELECT pg_notify(%s, '')
        """,
        (int(bulk), Jsonb(messages), CHANNEL),
    )


async def wake_campaign(connection: Connection, campaign_key: str) -> None:
    """Let the campaign's workflow check what is due."""
    await append(
        connection, [OutboxMessage(campaign_workflow_id(campaign_key), "campaign", {"campaign": campaign_key})]
    )


async def remove_starts(connection: Connection, workflow_ids: Sequence[str]) -> None:
    """Delete starts that are obsolete. One that a relay delivers is waited for."""
    await connection.execute("DELETE FROM outbox WHERE workflow_id = ANY(%s) AND kind = 'start'", (list(workflow_ids),))


async def remove_starts_of_profile(connection: Connection, profile_id: UUID) -> None:
    """Delete the starts of a profile's journeys, ended ones included."""
    await connection.execute(
        """
        DELETE FROM outbox USING journeys
        WHERE journeys.profile_id = %s AND outbox.workflow_id = journeys.workflow_id AND outbox.kind = 'start'
        """,
        (profile_id,),
    )


async def find_pending(connection: Connection, workflow_ids: Collection[str]) -> set[str]:
    """Return which of these workflows have pending messages."""
    cursor = await connection.execute(
        "SELECT DISTINCT workflow_id FROM outbox WHERE workflow_id = ANY(%s)", (list(workflow_ids),)
    )
    return {row["workflow_id"] async for row in cursor}


async def count_bulk(connection: Connection, most: int) -> int:
    """Return the number of pending bulk messages, counted up to `most`."""
    cursor = await connection.execute(
        "SELECT count(*) AS count FROM (SELECT FROM outbox WHERE priority = 1 LIMIT %s) AS waiting", (most,)
    )
    row = await cursor.fetchone()
    return int(row["count"]) if row else 0


async def take(connection: Connection, limit: int, bulk_limit: int) -> list[OutboxRow]:
    """Lock due rows that no other relay holds, each the oldest of its workflow.

    One half of the event-triggered rows are the newest, so that they do not wait behind a backlog; the other half are
    the oldest. Campaigns have equal shares of both. Bulk rows fill the rest, up to a smaller number: new rows wait
    while they are delivered.

    The holder of a workflow's oldest row has the workflow to itself: the row is deleted only after Temporal has
    accepted it, and until then the next one is not the oldest.
    """
    cursor = await connection.execute(
        _TAKE,
        {"limit": limit, "bulk_limit": bulk_limit, "fresh": FRESH_SECONDS, "late": LATE_SECONDS},
    )
    return [OutboxRow(**row) async for row in cursor]


async def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Delete rows that Temporal has accepted."""
    await connection.execute("DELETE FROM outbox WHERE id = ANY(%s)", (list(ids),))


async def postpone(connection: Connection, failures: Sequence[tuple[int, float, str]]) -> None:
    """Retry these rows after some seconds, and store their errors: (id, delay, error).

    Other rows of their workflows wait for them.
    """
    await connection.execute(
        """
        UPDATE outbox SET attempts = outbox.attempts + (outbox.id = item.id)::int,
                          last_error = CASE WHEN outbox.id = item.id THEN item.error ELSE outbox.last_error END,
                          available_at = (clock_timestamp() + clock_ahead()) + item.delay * interval '1 second'
        FROM unnest(%s::bigint[], %s::float8[], %s::text[]) AS item (id, delay, error)
        JOIN outbox AS failed ON failed.id = item.id
        WHERE outbox.workflow_id = failed.workflow_id
        """,
        (
            [id for id, _, _ in failures],
            [delay for _, delay, _ in failures],
            [error for _, _, error in failures],
        ),
    )


async def next_due(connection: Connection, looked: float) -> float | None:
    """Return the seconds until the next row is due; None if there is none.

    Rows that were due at the last poll, `looked` seconds ago, and were not taken do not count: another relay holds
    them, or the rows before them.
    """
    cursor = await connection.execute(_NEXT_DUE, {"looked": looked})
    row = await cursor.fetchone()
    return max(row["seconds"], 0.0) if row and row["seconds"] is not None else None


async def is_empty(connection: Connection) -> bool:
    """Return whether there is no row, due or not."""
    cursor = await connection.execute("SELECT FROM outbox LIMIT 1")
    return await cursor.fetchone() is None


async def oldest_wait(connection: Connection) -> float:
    """Return the age in seconds of the oldest deliverable row; 0 without one."""
    cursor = await connection.execute(
        """
        SELECT extract(epoch FROM (clock_timestamp() + clock_ahead()) - created_at)::float8 AS seconds FROM outbox
        WHERE priority = 0 ORDER BY id LIMIT 1
        """
    )
    row = await cursor.fetchone()
    return max(row["seconds"], 0.0) if row else 0.0
