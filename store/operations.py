"""Operations on a campaign or on the deployment, page by page."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct, field
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from domain.operations import OperationKind, OperationState
from store.database import Connection

# Notified when an operation of the deployment is requested.
CHANNEL = "sojourn_operations"


class Operation(Struct, frozen=True):
    """An operation. `cursor` is the last id done, `total` the number at the start.

    `counts` are the results by names of the kind. Without a campaign it is of the deployment.
    """

    id: UUID
    campaign_key: str | None
    kind: OperationKind
    state: OperationState
    parameters: dict[str, Any]
    audience_run: str | None
    cursor: UUID | None
    total: int | None
    done: int
    counts: dict[str, int]
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    failures: int
    last_error: str | None

    @property
    def campaign(self) -> str:
        """Return the campaign of an operation that has one. Raises ValueError."""
        if self.campaign_key is None:
            raise ValueError(f"operation {self.id} is of the deployment")
        return self.campaign_key


class Page(Struct, frozen=True):
    """The result of one page. `cursor` begins the next; `is_last` means there is none.

    `counts` are added to those of the operation. The next page begins `pause` seconds later at the earliest; with
    `is_held`, once the operation is released.
    """

    cursor: UUID | None
    done: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    is_last: bool = False
    is_held: bool = False
    pause: float = 0.0


_COLUMNS = """id, campaign_key, kind, state, parameters, audience_run, cursor, total, done, counts, requested_by,
              created_at, started_at, finished_at, failures, last_error"""


async def insert(
    connection: Connection,
    campaign_key: str | None,
    kind: OperationKind,
    parameters: Mapping[str, Any],
    *,
    requested_by: str,
    audience_run: str | None = None,
) -> Operation | None:
    """Request an operation. None if its audience run has one of this kind.

    An existing one is found before the insert, which would wait for the page in progress.
    """
    cursor = await connection.execute(
        f"""
        INSERT INTO operations (id, campaign_key, kind, parameters, audience_run, requested_by)
        SELECT %(id)s, %(campaign_key)s, %(kind)s, %(parameters)s, %(audience_run)s, %(requested_by)s
        WHERE NOT EXISTS (SELECT FROM operations WHERE campaign_key = %(campaign_key)s AND kind = %(kind)s
                                                   AND audience_run = %(audience_run)s)
        ON CONFLICT ON CONSTRAINT operations_once_a_run DO NOTHING
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - a constant of this module
        {
            "id": uuid7(),
            "campaign_key": campaign_key,
            "kind": kind,
            "parameters": Jsonb(parameters),
            "audience_run": audience_run,
            "requested_by": requested_by,
        },
    )
    row = await cursor.fetchone()
    return Operation(**row) if row else None


async def insert_for_deployment(
    connection: Connection, kind: OperationKind, parameters: Mapping[str, Any], *, requested_by: str
) -> Operation:
    """Request an operation of the deployment, and wake the workers after the commit."""
    operation = await insert(connection, None, kind, parameters, requested_by=requested_by)
    if operation is None:
        raise ValueError("an operation without an audience run is always a new one")
    await connection.execute("SELECT pg_notify(%s, '')", (CHANNEL,))
    return operation


async def is_open(connection: Connection, kind: OperationKind) -> bool:
    """Return whether the deployment has an unfinished operation of a kind."""
    cursor = await connection.execute(
        "SELECT FROM operations WHERE campaign_key IS NULL AND kind = %s AND finished_at IS NULL LIMIT 1", (kind,)
    )
    return await cursor.fetchone() is not None


async def list_open(connection: Connection, kind: OperationKind) -> list[Operation]:
    """Return the deployment's unfinished operations of a kind, oldest first."""
    cursor = await connection.execute(
        f"""
        SELECT {_COLUMNS} FROM operations WHERE campaign_key IS NULL AND kind = %s AND finished_at IS NULL ORDER BY id
        """,  # noqa: S608
        (kind,),
    )
    return [Operation(**row) async for row in cursor]


async def find(connection: Connection, id: UUID) -> Operation | None:
    """Return one operation."""
    cursor = await connection.execute(f"SELECT {_COLUMNS} FROM operations WHERE id = %s", (id,))  # noqa: S608
    row = await cursor.fetchone()
    return Operation(**row) if row else None


async def list_campaign(
    connection: Connection, campaign_key: str, limit: int, before: UUID | None = None
) -> list[Operation]:
    """Return the latest operations of a campaign, newest first, before one if given."""
    cursor = await connection.execute(
        f"""
        SELECT {_COLUMNS} FROM operations
        WHERE campaign_key = %(campaign_key)s AND (%(before)s::uuid IS NULL OR id < %(before)s)
        ORDER BY id DESC LIMIT %(limit)s
        """,  # noqa: S608
        {"campaign_key": campaign_key, "before": before, "limit": limit},
    )
    return [Operation(**row) async for row in cursor]


async def list_latest(connection: Connection, limit: int, before: UUID | None = None) -> list[Operation]:
    """Return the latest operations, newest first, before one if it is given."""
    cursor = await connection.execute(
        f"""
        SELECT {_COLUMNS} FROM operations
        WHERE %(before)s::uuid IS NULL OR id < %(before)s
        ORDER BY id DESC LIMIT %(limit)s
        """,  # noqa: S608
        {"before": before, "limit": limit},
    )
    return [Operation(**row) async for row in cursor]


async def open_operations(connection: Connection, campaign_key: str) -> list[Operation]:
    """Return the unfinished operations of a campaign, oldest first."""
    cursor = await connection.execute(
        f"SELECT {_COLUMNS} FROM operations WHERE campaign_key = %s AND finished_at IS NULL ORDER BY id",  # noqa: S608
        (campaign_key,),
    )
    return [Operation(**row) async for row in cursor]


async def ends_version(connection: Connection, campaign_key: str, version: int) -> bool:
    """Return whether an unfinished operation ends all journeys of a version."""
    cursor = await connection.execute(
        """
        SELECT FROM operations
        WHERE campaign_key = %s AND finished_at IS NULL AND kind = 'exit' AND parameters @> %s LIMIT 1
        """,
        (campaign_key, Jsonb({"whole_versions": True, "selection": {"versions": [version]}})),
    )
    return await cursor.fetchone() is not None


async def open_ids(connection: Connection, campaign_keys: Sequence[str]) -> dict[str, list[UUID]]:
    """Return the ids of unfinished operations by campaign, oldest first."""
    cursor = await connection.execute(
        """
        SELECT campaign_key, array_agg(id ORDER BY id) AS ids FROM operations
        WHERE campaign_key = ANY(%s) AND finished_at IS NULL GROUP BY campaign_key
        """,
        (list(campaign_keys),),
    )
    return {row["campaign_key"]: row["ids"] async for row in cursor}


async def lock_open(connection: Connection, id: UUID) -> Operation | None:
    """Lock an operation that can go on against other workers and cancellation."""
    cursor = await connection.execute(
        f"SELECT {_COLUMNS} FROM operations WHERE id = %s AND finished_at IS NULL AND state <> 'held' FOR UPDATE",  # noqa: S608
        (id,),
    )
    row = await cursor.fetchone()
    return Operation(**row) if row else None


async def claim_due(connection: Connection, kinds: Sequence[OperationKind]) -> Operation | None:
    """Lock the deployment's longest due operation; skip locked ones.

    The lock ends with the transaction, so that a killed worker keeps none.
    """
    cursor = await connection.execute(
        f"""
        SELECT {_COLUMNS} FROM operations
        WHERE campaign_key IS NULL AND finished_at IS NULL AND kind = ANY(%s) AND next_page_at <= clock_timestamp()
        ORDER BY next_page_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
        """,  # noqa: S608
        (list(kinds),),
    )
    row = await cursor.fetchone()
    return Operation(**row) if row else None


async def is_any_going(connection: Connection) -> bool:
    """Return whether an operation of the deployment is going on and not failing.

    Not a backtest, which changes nothing.
    """
    cursor = await connection.execute(
        "SELECT FROM operations "
        "WHERE campaign_key IS NULL AND finished_at IS NULL AND failures = 0 AND kind <> 'backtest' LIMIT 1"
    )
    return await cursor.fetchone() is not None


async def seconds_until_due(connection: Connection, kinds: Sequence[OperationKind]) -> float | None:
    """Return how soon an operation of the deployment is due; None if all are done."""
    cursor = await connection.execute(
        """
        SELECT extract(epoch FROM min(next_page_at) - clock_timestamp())::float8 AS seconds FROM operations
        WHERE campaign_key IS NULL AND finished_at IS NULL AND kind = ANY(%s)
        """,
        (list(kinds),),
    )
    row = await cursor.fetchone()
    return row["seconds"] if row else None


async def record_failure(connection: Connection, operation: Operation, error: str, pause: timedelta) -> None:
    """Record a failed page, after its transaction was rolled back."""
    await connection.execute(
        """
        UPDATE operations
        SET failures = failures + 1, last_error = %(error)s, next_page_at = clock_timestamp() + %(pause)s
        WHERE id = %(id)s AND finished_at IS NULL
        """,
        {"id": operation.id, "error": error, "pause": pause},
    )


async def begin(connection: Connection, id: UUID, total: int | None) -> None:
    """Mark an operation as begun, with its total if known."""
    await connection.execute(
        "UPDATE operations SET state = 'running', total = %s, started_at = clock_timestamp() WHERE id = %s",
        (total, id),
    )


async def advance(connection: Connection, id: UUID, page: Page) -> None:
    """Record a page in the transaction that processed it."""
    await connection.execute(
        """
        UPDATE operations
        SET cursor = %(cursor)s, done = done + %(done)s,
            counts = counts || COALESCE((
              SELECT jsonb_object_agg(key, value::bigint + COALESCE((counts ->> key)::bigint, 0))
              FROM jsonb_each_text(%(counts)s)), '{}'),
            state = CASE WHEN %(is_last)s THEN 'done' WHEN %(is_held)s THEN 'held' ELSE state END,
            failures = 0, last_error = NULL, next_page_at = clock_timestamp() + make_interval(secs => %(pause)s),
            finished_at = CASE WHEN %(is_last)s THEN clock_timestamp() END
        WHERE id = %(id)s
        """,
        {
            "id": id,
            "cursor": page.cursor,
            "done": page.done,
            "counts": Jsonb(page.counts),
            "is_last": page.is_last,
            "is_held": page.is_held,
            "pause": page.pause,
        },
    )


async def release(connection: Connection, id: UUID) -> bool:
    """Let a held operation go on. False if it is not held any more.

    The caller holds the registry's lock, which a cancellation does not wait for.
    """
    cursor = await connection.execute("UPDATE operations SET state = 'running' WHERE id = %s AND state = 'held'", (id,))
    return cursor.rowcount == 1


async def cancel(connection: Connection, id: UUID) -> bool:
    """Cancel an operation after its current page. False if it was finished."""
    cursor = await connection.execute(
        "UPDATE operations SET state = 'cancelled', finished_at = clock_timestamp() "
        "WHERE id = %s AND finished_at IS NULL",
        (id,),
    )
    return cursor.rowcount == 1


async def announce(
    connection: Connection, changes: Mapping[str, Sequence[Any]], most: int, *, requested_by: str
) -> None:
    """Request the announcement of changes by account, in two statements.

    Those of an account are added to its latest request, unless that has begun or has `most` changes: the list of
    operations is as long as the work, however often an account changes. A request that a page has locked is passed
    over: the page locks people next, and the caller has locked some.
    """
    items = [{"id": uuid7(), "account_id": id, "changes": list(found)} for id, found in sorted(changes.items())]
    await connection.execute(
        """
        WITH item AS MATERIALIZED (
          SELECT * FROM jsonb_to_recordset(%(items)s) AS item (id uuid, account_id text, changes jsonb)
        ), pending AS MATERIALIZED (
          SELECT operations.id, item.changes, item.account_id
          FROM item CROSS JOIN LATERAL (
            SELECT id FROM operations
            WHERE kind = 'announce' AND finished_at IS NULL AND parameters ->> 'account_id' = item.account_id
            ORDER BY id DESC LIMIT 1
          ) AS latest
          JOIN operations ON operations.id = latest.id
          WHERE started_at IS NULL AND jsonb_array_length(parameters -> 'changes') < %(most)s
          FOR UPDATE OF operations SKIP LOCKED
        ), added AS (
          UPDATE operations
          SET parameters = jsonb_set(parameters, '{changes}', parameters -> 'changes' || pending.changes)
          FROM pending WHERE operations.id = pending.id
        )
        INSERT INTO operations (id, kind, parameters, requested_by)
        SELECT id, 'announce', jsonb_build_object('account_id', account_id, 'changes', changes), %(by)s
        FROM item WHERE account_id NOT IN (SELECT account_id FROM pending)
        """,
        {"items": Jsonb(items), "most": most, "by": requested_by},
    )
    await connection.execute("SELECT pg_notify(%s, '')", (CHANNEL,))


async def delete(connection: Connection, id: UUID) -> None:
    """Delete an operation after its last page, so that no list shows it."""
    await connection.execute("DELETE FROM operations WHERE id = %s", (id,))
