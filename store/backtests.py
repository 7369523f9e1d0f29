"""Backtests by the API: their requests, the process that has one, and reports."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb

from domain.operations import OperationState
from domain.rehearsal.stored_report import PersonPart, PersonPartKind
from store.database import Connection

CHANNEL: Final = "sojourn_backtests"
# The holder of this lock runs backtests. It is released with the connection, so that a killed worker blocks no other.
LOCK: Final = 0x53_4F_4A_42
# Reports are deleted after it; their operations stay.
LIFETIME: Final = timedelta(days=30)


class StoredBacktest(Struct, frozen=True):
    """A backtest with the progress of its operation; `failure` says why it has failed."""

    id: UUID
    state: OperationState
    total: int | None
    done: int
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    failure: str | None
    since: datetime
    until: datetime
    request: dict[str, Any]


class BacktestAttempt(Struct, frozen=True):
    """A process that has begun a backtest. A later number takes it over."""

    id: UUID
    number: int


_COLUMNS: Final = """
id, state, total, done, requested_by, created_at, started_at, finished_at, last_error AS failure, since, until, request
"""
_IS_CURRENT: Final = """
id = %(id)s AND state = 'running'
AND EXISTS (SELECT FROM backtests WHERE operation_id = %(id)s AND attempts = %(number)s)
"""


async def insert(
    connection: Connection, id: UUID, request: Any, since: datetime, until: datetime, users: Sequence[str]
) -> None:
    """Store the request of an operation, and wake the workers after the commit."""
    await connection.execute(
        "INSERT INTO backtests (operation_id, request, since, until) VALUES (%s, %s, %s, %s)",
        (id, Jsonb(request), since, until),
    )
    await _insert_people(connection, id, [PersonPart(user, "trace", {"lines": []}) for user in users])
    await connection.execute("SELECT pg_notify(%s, '')", (CHANNEL,))


async def count_open(connection: Connection) -> int:
    """Count the backtests that are not finished."""
    cursor = await connection.execute(
        "SELECT count(*) AS number FROM operations WHERE kind = 'backtest' AND finished_at IS NULL"
    )
    [row] = await cursor.fetchall()
    return int(row["number"])


async def find(connection: Connection, id: UUID) -> StoredBacktest | None:
    """Return one backtest."""
    cursor = await connection.execute(
        f"SELECT {_COLUMNS} FROM backtests JOIN operations ON id = operation_id WHERE id = %s",  # noqa: S608
        (id,),
    )
    row = await cursor.fetchone()
    return StoredBacktest(**row) if row else None


async def list_latest(connection: Connection, limit: int, before: UUID | None) -> list[StoredBacktest]:
    """Return the latest, newest first, before one if given."""
    cursor = await connection.execute(
        f"""
        SELECT {_COLUMNS} FROM backtests JOIN operations ON id = operation_id
        WHERE %(before)s::uuid IS NULL OR id < %(before)s
        ORDER BY id DESC LIMIT %(limit)s
        """,  # noqa: S608
        {"before": before, "limit": limit},
    )
    return [StoredBacktest(**row) async for row in cursor]


async def read_report(connection: Connection, id: UUID) -> dict[str, Any] | None:
    """Return the report, which names no person; None until it is there."""
    cursor = await connection.execute("SELECT report FROM backtests WHERE operation_id = %s", (id,))
    row = await cursor.fetchone()
    return row["report"] if row else None


async def list_people(connection: Connection, id: UUID, part: PersonPartKind | None = None) -> list[PersonPart]:
    """Return the people of a backtest, or those of one part."""
    cursor = await connection.execute(
        """
        SELECT user_id, part, content FROM backtest_people
        WHERE operation_id = %(id)s AND (%(part)s::text IS NULL OR part = %(part)s) ORDER BY number
        """,
        {"id": id, "part": part},
    )
    return [PersonPart(**row) async for row in cursor]


async def begin_next(connection: Connection) -> BacktestAttempt | None:
    """Begin the oldest that is due; the caller holds LOCK. None if there is none.

    This includes one whose process was killed.
    """
    cursor = await connection.execute(
        """
        WITH next AS (
          UPDATE operations
          SET state = 'running', started_at = COALESCE(started_at, clock_timestamp()), total = NULL, done = 0
          WHERE id = (
            SELECT id FROM operations
            WHERE kind = 'backtest' AND finished_at IS NULL AND next_page_at <= clock_timestamp()
            ORDER BY id LIMIT 1 FOR UPDATE)
          RETURNING id
        )
        UPDATE backtests SET attempts = attempts + 1 FROM next WHERE operation_id = next.id
        RETURNING operation_id AS id, attempts AS number
        """
    )
    row = await cursor.fetchone()
    return BacktestAttempt(**row) if row else None


async def seconds_until_due(connection: Connection) -> float | None:
    """Return how soon a backtest is due; None if none waits."""
    cursor = await connection.execute(
        """
        SELECT extract(epoch FROM min(next_page_at) - clock_timestamp())::float8 AS seconds FROM operations
        WHERE kind = 'backtest' AND finished_at IS NULL
        """
    )
    [row] = await cursor.fetchall()
    return None if row["seconds"] is None else max(0.0, row["seconds"])


async def is_current(connection: Connection, attempt: BacktestAttempt) -> bool:
    """Return whether the attempt goes on: it is neither cancelled nor taken over."""
    cursor = await connection.execute(f"SELECT FROM operations WHERE {_IS_CURRENT}", _bind(attempt))
    return await cursor.fetchone() is not None


async def record_progress(connection: Connection, attempt: BacktestAttempt, done: int, total: int) -> None:
    """Record how many of the people are simulated."""
    await connection.execute(
        f"UPDATE operations SET done = %(done)s, total = %(total)s WHERE {_IS_CURRENT}",  # noqa: S608
        {**_bind(attempt), "done": done, "total": total},
    )


async def give_back(connection: Connection, attempt: BacktestAttempt) -> None:
    """Let another worker begin anew, as if this attempt had not been."""
    await connection.execute(
        f"""
        WITH given AS (UPDATE operations SET state = 'pending', total = NULL, done = 0 WHERE {_IS_CURRENT} RETURNING id)
        UPDATE backtests SET attempts = attempts - 1 FROM given WHERE operation_id = given.id
        """,  # noqa: S608
        _bind(attempt),
    )


async def put_off(connection: Connection, attempt: BacktestAttempt, reason: str, pause: timedelta) -> None:
    """Record that the attempt has failed; another one begins after a pause."""
    await connection.execute(
        f"""
        UPDATE operations
        SET failures = failures + 1, last_error = %(reason)s, next_page_at = clock_timestamp() + %(pause)s
        WHERE {_IS_CURRENT}
        """,  # noqa: S608
        {**_bind(attempt), "reason": reason, "pause": pause},
    )


async def fail(connection: Connection, attempt: BacktestAttempt, reason: str) -> None:
    """End a backtest for good."""
    await connection.execute(
        f"""
        UPDATE operations SET state = 'failed', last_error = %(reason)s, finished_at = clock_timestamp()
        WHERE {_IS_CURRENT}
        """,  # noqa: S608
        {**_bind(attempt), "reason": reason},
    )


async def finish(connection: Connection, attempt: BacktestAttempt, report: Any, people: Sequence[PersonPart]) -> bool:
    """Store the report. False if the attempt does not go on any more.

    People whose ids an erasure has taken meanwhile are left out.
    """
    cursor = await connection.execute(
        f"""
        UPDATE operations
        SET state = 'done', done = COALESCE(total, done), last_error = NULL, failures = 0,
            finished_at = clock_timestamp()
        WHERE {_IS_CURRENT}
        """,  # noqa: S608
        _bind(attempt),
    )
    if cursor.rowcount == 0:
        return False
    await connection.execute("UPDATE backtests SET report = %s WHERE operation_id = %s", (Jsonb(report), attempt.id))
    await connection.execute("DELETE FROM backtest_people WHERE operation_id = %s", (attempt.id,))
    await _insert_people(connection, attempt.id, people)
    return True


async def forget(connection: Connection, age: timedelta) -> None:
    """Delete the reports of backtests that have ended so long ago."""
    await connection.execute(
        """
        DELETE FROM backtests USING operations
        WHERE id = operation_id AND finished_at < clock_timestamp() - %s::interval
        """,
        (age,),
    )


async def _insert_people(connection: Connection, id: UUID, people: Sequence[PersonPart]) -> None:
    """Insert people who are known; an erasure that begins waits for the commit."""
    users = sorted({one.user_id for one in people})
    cursor = await connection.execute(
        "SELECT value FROM identities WHERE kind = 'user' AND value = ANY(%s) ORDER BY value FOR KEY SHARE", (users,)
    )
    known = {row["value"] async for row in cursor}
    rows = [
        {"number": number, "user_id": one.user_id, "part": one.part, "content": one.content}
        for number, one in enumerate(people)
        if one.user_id in known
    ]
    await connection.execute(
        """
        INSERT INTO backtest_people (operation_id, number, user_id, part, content)
        SELECT %(id)s, number, user_id, part, content
        FROM jsonb_to_recordset(%(rows)s) AS person (number int, user_id text, part text, content jsonb)
        """,
        {"id": id, "rows": Jsonb(rows)},
    )


def _bind(attempt: BacktestAttempt) -> dict[str, Any]:
    return {"id": attempt.id, "number": attempt.number}
