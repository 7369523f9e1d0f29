"""The readiness of a deployment, from facts in PostgreSQL and workers' reports."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import psycopg

from domain.deployment.findings import (
    MAX_REPORT_AGE,
    NEEDED_BY_API,
    Away,
    DatabaseFacts,
    DeploymentFinding,
    DeploymentPart,
    Facts,
    WorkerReport,
    find_lacks,
)
from store import campaigns, outbox, partitions, schema_revision, worker_reports
from store.database import Connection, Database

OK: Final = "ok"
# Parts that the API itself checks, and parts known from workers' reports only.
OWN_PARTS: Final = (
    DeploymentPart.DATABASE,
    DeploymentPart.MIGRATIONS,
    DeploymentPart.PARTITIONS,
    DeploymentPart.CLOCK,
    DeploymentPart.WORKER,
    DeploymentPart.OUTBOX,
)
REPORTED_PARTS: Final = (
    DeploymentPart.TEMPORAL,
    DeploymentPart.NAMESPACE,
    DeploymentPart.SEARCH_ATTRIBUTES,
    DeploymentPart.CAMPAIGNS,
    DeploymentPart.SMTP,
    DeploymentPart.SECRETS,
)
PARTS_BEFORE_MIGRATION: Final = (DeploymentPart.DATABASE, DeploymentPart.MIGRATIONS, DeploymentPart.CLOCK)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Each part with `ok` or its problem, and whether requests can be served."""

    is_ready: bool
    parts: dict[str, str]


@dataclass(frozen=True, slots=True)
class DatabaseView:
    """The database's facts, and the workers' reports. None before it is migrated."""

    facts: DatabaseFacts
    workers: list[WorkerReport] | None


async def look_at_database(database: Database) -> DatabaseView | Away:
    """Gather the facts in one transaction."""
    try:
        async with database.transaction() as connection:
            return await _view(connection)
    except psycopg.OperationalError as error:
        seconds = f"within {database.connection_timeout:.0f} s"
        return Away(f"there was no connection {seconds}", detail=" ".join(str(error).split()))


async def readiness(database: Database, link_marks: Sequence[str]) -> Readiness:
    """Return whether the API can serve, for which the database is enough.

    All other problems are listed as well. Temporal and the mail server are those that workers report: the API does not
    use either, and accepts events while they are away.
    """
    view = await look_at_database(database)
    if isinstance(view, Away):
        return _report_ages(find_lacks(Facts(database=view)), [DeploymentPart.DATABASE])
    lacks = find_lacks(Facts(database=view.facts, workers=view.workers, link_marks=link_marks))
    if view.workers is None:
        return _report_ages(lacks, PARTS_BEFORE_MIGRATION)
    is_reported = any(report.seconds_ago <= MAX_REPORT_AGE for report in view.workers)
    return _report_ages(lacks, [*OWN_PARTS, *(REPORTED_PARTS if is_reported else ())])


async def report(database: Database, worker: str, findings: Sequence[DeploymentFinding], link_mark: str) -> None:
    """Store a worker's findings for the API, without details and their addresses."""
    told: list[dict[str, str | bool]] = [
        {"part": found.part, "problem": found.problem, "remedy": found.remedy, "is_away": found.is_away}
        for found in findings
    ]
    async with database.transaction() as connection:
        await worker_reports.write(connection, worker, told, link_mark)


async def retire(database: Database, worker: str) -> None:
    """Delete the report of a worker that stops."""
    async with database.transaction() as connection:
        await worker_reports.remove(connection, worker)


def _report_ages(lacks: Sequence[DeploymentFinding], parts: Sequence[DeploymentPart]) -> Readiness:
    texts = {part: "; ".join(str(found) for found in lacks if found.part is part) for part in DeploymentPart}
    return Readiness(
        not any(found.part in NEEDED_BY_API for found in lacks),
        {part.value: texts[part] or OK for part in DeploymentPart if part in parts or texts[part]},
    )


async def _view(connection: Connection) -> DatabaseView:
    revision = await schema_revision.current(connection)
    is_migrated = schema_revision.is_ready(revision)
    return DatabaseView(
        DatabaseFacts(
            revision=revision,
            needed_revision=schema_revision.NEWEST,
            is_migrated=is_migrated,
            clock_ahead=await _clock_ahead(connection),
            missing_partition=await partitions.find_missing(connection) if is_migrated else None,
            outbox_seconds=await outbox.oldest_wait(connection) if is_migrated else 0.0,
            campaigns=await campaigns.keys(connection) if is_migrated else (),
        ),
        [_report(stored) for stored in await worker_reports.read(connection)] if is_migrated else None,
    )


async def _clock_ahead(connection: Connection) -> float:
    """Return this machine's lead on the database's clock; 0 within the round trip."""
    asked = datetime.now(UTC)
    cursor = await connection.execute("SELECT clock_timestamp() AS now")
    row: dict[str, Any] | None = await cursor.fetchone()
    answered = datetime.now(UTC)
    if row is None:
        return 0.0
    uncertain = (answered - asked) / 2
    ahead = asked + uncertain - row["now"]
    return ahead.total_seconds() if abs(ahead) > uncertain else 0.0


def _report(stored: worker_reports.StoredReport) -> WorkerReport:
    known = set(DeploymentPart)
    findings = [
        DeploymentFinding(
            DeploymentPart(str(found["part"])), str(found["problem"]), str(found["remedy"]), bool(found["is_away"])
        )
        # A worker of the next release may know other parts.
        for found in stored.findings
        if found["part"] in known
    ]
    return WorkerReport(stored.worker, stored.seconds_ago, findings, stored.link_mark)
