"""The last report of each worker about the deployment."""

from collections.abc import Sequence

from msgspec import Struct
from psycopg.types.json import Jsonb

from store.database import Connection


class StoredReport(Struct, frozen=True):
    """A report. `findings` have the members `part`, `problem`, `remedy` and `is_away`."""

    worker: str
    seconds_ago: float
    findings: list[dict[str, str | bool]]
    link_mark: str


async def write(connection: Connection, worker: str, findings: Sequence[dict[str, str | bool]], link_mark: str) -> None:
    """Replace a worker's report, and delete those of workers silent for a day."""
    await connection.execute(
        """
        WITH gone AS (DELETE FROM worker_reports WHERE reported_at < now() - interval '1 day' AND worker <> %(worker)s)
        INSERT INTO worker_reports (worker, findings, link_mark) VALUES (%(worker)s, %(findings)s, %(link_mark)s)
        ON CONFLICT (worker) DO UPDATE
        SET reported_at = clock_timestamp(), findings = excluded.findings, link_mark = excluded.link_mark
        """,
        {"worker": worker, "findings": Jsonb(list(findings)), "link_mark": link_mark},
    )


async def read(connection: Connection) -> list[StoredReport]:
    """Return the last report of each worker, the newest first."""
    cursor = await connection.execute(
        """
        SELECT worker, findings, link_mark,
          greatest(0, extract(epoch FROM clock_timestamp() - reported_at))::float8 AS seconds_ago
        FROM worker_reports ORDER BY reported_at DESC LIMIT 1000
        """
    )
    return [StoredReport(**row) async for row in cursor]


async def remove(connection: Connection, worker: str) -> None:
    """Delete the report of a stopped worker."""
    await connection.execute("DELETE FROM worker_reports WHERE worker = %s", (worker,))
