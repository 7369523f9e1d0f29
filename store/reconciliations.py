"""Reconciliations: who asked for a comparison of Postgres with Temporal, and what it came to."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from domain.journey.reconciliation import ReconciliationState
from store.database import Connection

CHANNEL = "sojourn_reconciliations"
# The holder of this lock reconciles. It is freed with the connection, so that a killed worker keeps no other waiting.
LOCK = 0x53_4F_4A_52


class Reconciliation(Struct, frozen=True):
    """One reconciliation: pending, running or done. The report comes with its end."""

    id: UUID
    state: ReconciliationState
    requested_by: str
    report: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


_COLUMNS = "id, state, requested_by, report, created_at, started_at, finished_at"


async def insert(connection: Connection, requested_by: str) -> Reconciliation:
    """Ask for one, and wake the workers when the transaction commits."""
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
    """One reconciliation."""
    cursor = await connection.execute(f"SELECT {_COLUMNS} FROM reconciliations WHERE id = %s", (id,))  # noqa: S608
    row = await cursor.fetchone()
    return Reconciliation(**row) if row else None


async def latest(connection: Connection, limit: int, before: UUID | None) -> list[Reconciliation]:
    """The latest, newest first; those before one of them, if it is given."""
    cursor = await connection.execute(
        f"""
        SELECT {_COLUMNS} FROM reconciliations WHERE %(before)s::uuid IS NULL OR id < %(before)s
        ORDER BY id DESC LIMIT %(limit)s
        """,  # noqa: S608
        {"before": before, "limit": limit},
    )
    return [Reconciliation(**row) async for row in cursor]


async def begin_next(connection: Connection) -> UUID | None:
    """Begin the oldest that is not done, also one whose worker was killed; the caller holds LOCK. None if all are."""
    cursor = await connection.execute(
        """
        UPDATE reconciliations SET state = 'running', started_at = clock_timestamp()
        WHERE id = (SELECT id FROM reconciliations WHERE state <> 'done' ORDER BY id LIMIT 1) RETURNING id
        """
    )
    row = await cursor.fetchone()
    return row["id"] if row else None


async def finish(connection: Connection, id: UUID, report: Any) -> None:
    """It is done."""
    await connection.execute(
        "UPDATE reconciliations SET state = 'done', report = %s, finished_at = clock_timestamp() WHERE id = %s",
        (Jsonb(report), id),
    )


async def is_due(connection: Connection, interval: float) -> bool:
    """Whether the last was asked for more than so many seconds ago."""
    cursor = await connection.execute(
        """
        SELECT NOT EXISTS (
          SELECT 1 FROM reconciliations WHERE created_at > clock_timestamp() - make_interval(secs => %s)) AS due
        """,
        (interval,),
    )
    row = await cursor.fetchone()
    return bool(row and row["due"])
