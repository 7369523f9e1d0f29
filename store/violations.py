"""How reported events depart from what is declared, counted and kept for a while."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import asdict
from psycopg.types.json import Jsonb

from domain.data_plan.declared import Violation
from store.database import Connection
from store.transaction_metrics import Metric

# Further kinds are counted by the metric alone.
MAX_KEPT = 1_000
VIOLATIONS_KEPT_DAYS = 30


class StoredViolation(Struct, frozen=True):
    """A violation with its events: how many, when, and the last one."""

    violation: Violation
    count: int
    first_at: datetime
    last_at: datetime
    last_event_id: UUID


async def add(connection: Connection, violations: Sequence[StoredViolation]) -> None:
    """Add to the counts. One transaction at a time does this."""
    rows = [
        {
            **asdict(one.violation),
            "path": one.violation.path or "",
            "count": one.count,
            "first_at": one.first_at,
            "last_at": one.last_at,
            "last_event_id": one.last_event_id,
        }
        for one in violations
    ]
    await connection.execute(
        """
        INSERT INTO violations AS known (
          source, type, name, kind, path, detail, count, first_at, last_at, last_event_id)
        SELECT source, type, name, kind, path, detail, count, first_at, last_at, last_event_id
        FROM (
          SELECT item.*, earlier.source IS NOT NULL AS is_known,
                 row_number() OVER (PARTITION BY earlier.source IS NULL ORDER BY item.last_at) AS place
          FROM jsonb_to_recordset(%s) AS item (
            source text, type text, name text, kind text, path text, detail text, count bigint, first_at timestamptz,
            last_at timestamptz, last_event_id uuid)
          LEFT JOIN violations AS earlier USING (source, type, name, kind, path, detail)
        ) AS item
        WHERE is_known OR place <= %s - (SELECT count(*) FROM violations)
        ON CONFLICT (source, type, name, kind, path, detail) DO UPDATE
        SET count = known.count + EXCLUDED.count, last_event_id = EXCLUDED.last_event_id,
            last_at = greatest(known.last_at, EXCLUDED.last_at), first_at = least(known.first_at, EXCLUDED.first_at)
        """,
        (Jsonb(rows), MAX_KEPT),
    )
    for one in violations:
        connection.metrics.add(Metric.VIOLATION, one.violation.kind, one.violation.source, number=one.count)


async def latest(connection: Connection, *, source: str | None, name: str | None, limit: int) -> list[StoredViolation]:
    """Return the kinds that occurred last, the newest first."""
    cursor = await connection.execute(
        """
        SELECT source, type, name, kind, NULLIF(path, '') AS path, detail, count, first_at, last_at, last_event_id
        FROM violations
        WHERE (%(source)s::text IS NULL OR source = %(source)s) AND (%(name)s::text IS NULL OR name = %(name)s)
        ORDER BY last_at DESC, source, type, name, kind, path, detail LIMIT %(limit)s
        """,
        {"source": source, "name": name, "limit": limit},
    )
    return [_as_stored(row) async for row in cursor]


async def forget(connection: Connection) -> None:
    """Delete the kinds that no longer occur."""
    await connection.execute(
        "DELETE FROM violations WHERE last_at < now() - make_interval(days => %s)", (VIOLATIONS_KEPT_DAYS,)
    )


def _as_stored(row: dict[str, Any]) -> StoredViolation:
    violation = Violation(**{name: row.pop(name) for name in Violation.__struct_fields__})
    return StoredViolation(violation, **row)
