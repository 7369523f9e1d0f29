"""Reconciliations of PostgreSQL with Temporal: requests and reports."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from domain.journey.reconciliation import ReconciliationState
from store.database import Connection

CHANNEL = "sojourn_reconciliations"
# The holder of this lock reconciles. It is released with the connection, so that a killed worker blocks no other.
LOCK = 0x53_4F_4A_52


class Reconciliation(Struct, frozen=True):
    """One reconciliation: pending, running or done. The report is set at its end."""

    id: UUID
    state: ReconciliationState
    requested_by: str
    report: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


_COLUMNS = "id, state, requested_by, report, created_at, started_at, finished_at"


async def insert(connection: Connection, requested_by: str) -> Reconciliation:
    """Request a reconciliation, and wake the workers after the commit."""
    cursor = await connection.execute(
        f"INSERT INTO reconciliations (id, requested_by) VALUES (%s, %s) RETURNING {_COLUMNS}",  # noqa: S608
        (uuid7(), requested_by),
    )
    row = await cursor.fetchone()
    await connection.execute("SELECT pg_notify(%s, '')", (CHANNEL,))
    if row is None:
        raise ValueError("an inserted row is returned")
    return Reconciliation(**row)


async def find(connection: Connection, id: UUID) -> Reconciliation | None:
    """Return one reconciliation."""
    cursor = await connection.execute(f"SELECT {_COLUMNS} FROM reconciliations WHERE id = %s", (id,))  # noqa: S608
    row = await cursor.fetchone()
    return Reconciliation(**row) if row else None


async def latest(connection: Connection, limit: int, before: UUID | None) -> list[Reconciliation]:
    """Return the latest, newest first, before one if given."""
    cursor = await connection.execute(
        f"""
        SELECT {_COLUMNS} FROM reconciliations WHERE %(before)s::uuid IS NULL OR id < %(before)s
        ORDER BY id DESC LIMIT %(limit)s
        """,  # noqa: S608
        {"before": before, "limit": limit},
    )
    return [Reconciliation(**row) async for row in cursor]


async def begin_next(connection: Connection) -> UUID | None:
    """Begin the oldest that is not done; the caller holds LOCK. None if all are.

    This includes one whose worker was killed.
    """
    cursor = await connection.execute(
        """
        UPDATE reconciliations SET state = 'running', started_at = clock_timestamp()
        WHERE id = (SELECT id FROM reconciliations WHERE state <> 'done' ORDER BY id LIMIT 1) RETURNING id
        """
    )
    row = await cursor.fetchone()
    return row["id"] if row else None


async def finish(connection: Connection, id: UUID, report: Any) -> None:
    """Store the report."""
    await connection.execute(
        "UPDATE reconciliations SET state = 'done', report = %s, finished_at = clock_timestamp() WHERE id = %s",
        (Jsonb(report), id),
    )


async def is_due(connection: Connection, interval: float) -> bool:
    """Return whether the last request is older than a number of seconds."""
    cursor = await connection.execute(
        """
        SELECT NOT EXISTS (
          SELECT 1 FROM reconciliations WHERE created_at > clock_timestamp() - make_interval(secs => %s)) AS due
        """,
        (interval,),
    )
    row = await cursor.fetchone()
    return bool(row and row["due"])
