"""The outbox: what Temporal has yet to be told, written in the transaction that decided it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from psycopg.types.json import Jsonb

from domain.journey.records import campaign_workflow_id
from store.database import Connection
from store.trace_context import KEY, traceparent

CHANNEL = "sojourn_outbox"


class Notice(Struct, frozen=True):
    """One thing to tell a workflow: start, matched, exit, resume, skip or campaign, with what that needs."""

    workflow_id: str
    kind: str
    payload: dict[str, Any]


class Row(Struct, frozen=True):
    """A notice that waits. `start_pending`: the workflow's start waits as well, in this batch or another relay's."""

    id: int
    workflow_id: str
    kind: str
    payload: dict[str, Any]
    of_many: bool
    created_at: datetime
    attempts: int
    start_pending: bool


async def append(connection: Connection, notices: Sequence[Notice], *, of_many: bool = False) -> None:
    """Append notices, in their order, and wake the relays when the transaction commits.

    Those `of_many`, which an operation tells a page of journeys, go after what single events have caused, and are
    none of the trace that is being taken: it would be as long as the page.
    """
    if not of_many and (trace := traceparent()) is not None:
        notices = [replace(notice, payload={**notice.payload, KEY: trace}) for notice in notices]
    await connection.execute(
        """
        INSERT INTO outbox (workflow_id, kind, payload, class)
        SELECT workflow_id, kind, payload, %s
        FROM ROWS FROM (jsonb_to_recordset(%s) AS (workflow_id text, kind text, payload jsonb))
             WITH ORDINALITY AS item (workflow_id, kind, payload, position)
        ORDER BY position
        """,
        (int(of_many), Jsonb(notices)),
    )
    await connection.execute("SELECT pg_notify(%s, '')", (CHANNEL,))


async def wake_campaign(connection: Connection, campaign_key: str) -> None:
    """Have the campaign's workflow look what is due."""
    await append(connection, [Notice(campaign_workflow_id(campaign_key), "campaign", {"campaign": campaign_key})])


async def remove_starts(connection: Connection, workflow_ids: Sequence[str]) -> None:
    """Forget starts that nobody needs any more. One that a relay has in hand is waited for, and leaves as accepted."""
    await connection.execute("DELETE FROM outbox WHERE workflow_id = ANY(%s) AND kind = 'start'", (list(workflow_ids),))


async def of_many_waiting(connection: Connection, most: int) -> int:
    """How many notices of many wait, counted up to `most`."""
    cursor = await connection.execute(
        "SELECT count(*) AS count FROM (SELECT FROM outbox WHERE class = 1 LIMIT %s) AS waiting", (most,)
    )
    row = await cursor.fetchone()
    return int(row["count"]) if row else 0


async def take(connection: Connection, limit: int, limit_of_many: int) -> list[Row]:
    """Lock the oldest rows that are due and that no other relay holds: those that single events have caused first.

    Those of many fill what is left, and are fewer: what comes while they are delivered waits for them. A start that
    waits is seen even while another relay holds it: its row is gone only once Temporal has accepted.
    """
    cursor = await connection.execute(
        """
        WITH single AS (
          SELECT * FROM outbox WHERE class = 0 AND available_at <= clock_timestamp()
          ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        ), of_many AS (
          SELECT * FROM outbox WHERE class = 1 AND available_at <= clock_timestamp()
          ORDER BY id
          LIMIT (SELECT LEAST(%(limit_of_many)s, %(limit)s - count(*)) FROM single)
          FOR UPDATE SKIP LOCKED
        )
        SELECT id, workflow_id, kind, payload, class = 1 AS of_many, created_at, attempts,
               EXISTS (SELECT 1 FROM outbox AS start
                       WHERE start.workflow_id = taken.workflow_id AND start.kind = 'start') AS start_pending
        FROM (SELECT * FROM single UNION ALL SELECT * FROM of_many) AS taken
        ORDER BY class, id
        """,
        {"limit": limit, "limit_of_many": limit_of_many},
    )
    return [Row(**row) async for row in cursor]


async def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Remove the rows that Temporal has accepted."""
    await connection.execute("DELETE FROM outbox WHERE id = ANY(%s)", (list(ids),))


async def postpone(connection: Connection, failures: Sequence[tuple[int, float, str]]) -> None:
    """Try these rows again after so many seconds, and keep what went wrong: (id, delay, error)."""
    await connection.execute(
        """
        UPDATE outbox SET attempts = attempts + 1, last_error = item.error,
                          available_at = clock_timestamp() + item.delay * interval '1 second'
        FROM unnest(%s::bigint[], %s::float8[], %s::text[]) AS item (id, delay, error)
        WHERE outbox.id = item.id
        """,
        (
            [id for id, _, _ in failures],
            [delay for _, delay, _ in failures],
            [error for _, _, error in failures],
        ),
    )


async def next_due(connection: Connection) -> float | None:
    """Seconds until the next row is due, at least 0; None when nothing waits."""
    cursor = await connection.execute(
        "SELECT extract(epoch FROM min(available_at) - clock_timestamp())::float8 AS seconds FROM outbox"
    )
    row = await cursor.fetchone()
    return max(row["seconds"], 0.0) if row and row["seconds"] is not None else None


async def oldest_wait(connection: Connection) -> float:
    """For how many seconds the oldest row has been waiting that nothing goes before; 0 where none waits."""
    cursor = await connection.execute(
        """
        SELECT extract(epoch FROM clock_timestamp() - created_at)::float8 AS seconds FROM outbox
        WHERE class = 0 ORDER BY id LIMIT 1
        """
    )
    row = await cursor.fetchone()
    return max(row["seconds"], 0.0) if row else 0.0
