"""Reconciliations, one at a time in a deployment: on request, and each hour."""

import asyncio

import psycopg
import structlog

from application.reconcile import Reconciler
from domain.access import SOJOURN
from runtime.notified_work import work_when_notified
from store import reconciliations
from store.database import Database

log = structlog.get_logger()

INTERVAL = 3_600.0


async def reconcile(database: Database, reconciler: Reconciler, stop: asyncio.Event) -> None:
    """Reconcile until stopped, even in the middle: another worker does it again."""

    async def work(holder: psycopg.AsyncConnection) -> None:
        await _run_due(holder, database, reconciler)

    await work_when_notified(database, reconciliations.CHANNEL, "reconciliation", work, stop)


async def _run_due(holder: psycopg.AsyncConnection, database: Database, reconciler: Reconciler) -> None:
    """Run requested and due reconciliations, unless another worker does."""
    cursor = await holder.execute("SELECT pg_try_advisory_lock(%s)", (reconciliations.LOCK,))
    row = await cursor.fetchone()
    if row is None or not row[0]:
        return
    async with database.transaction() as connection:
        if await reconciliations.is_due(connection, INTERVAL):
            await reconciliations.insert(connection, SOJOURN.name)
    while True:
        async with database.transaction() as connection:
            id = await reconciliations.begin_next(connection)
        if id is None:
            break
        report = await reconciler.run()
        async with database.transaction() as connection:
            await reconciliations.finish(connection, id, report)
        found = {kind: one.found for kind, one in report.findings.items()}
        log.info("reconciliation completed", rows=report.rows, workflows=report.workflows, **found)
    await holder.execute("SELECT pg_advisory_unlock(%s)", (reconciliations.LOCK,))
