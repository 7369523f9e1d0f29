"""Reconciliations, one at a time in a deployment: on request, and each hour."""

import asyncio

import psycopg
import structlog
from temporalio.service import RPCError

from application.reconcile import Reconciler
from domain.access import SOJOURN
from runtime.tasks import cancel_and_wait
from store import reconciliations
from store.database import Database

log = structlog.get_logger()

INTERVAL = 3_600.0
# The interval of the checks whether one is due, or whether its worker was killed.
LOOK_INTERVAL = 30.0


async def reconcile(database: Database, reconciler: Reconciler, stop: asyncio.Event) -> None:
    """Reconcile until stopped, even in the middle: another worker does it again."""
    work = asyncio.create_task(_work(database, reconciler))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await work
    finally:
        await cancel_and_wait(work)
        await cancel_and_wait(stopped)


async def _work(database: Database, reconciler: Reconciler) -> None:
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(database.url, autocommit=True) as connection:
                await connection.execute(f"LISTEN {reconciliations.CHANNEL}")
                while True:
                    await _run_due(connection, database, reconciler)
                    async for _ in connection.notifies(timeout=LOOK_INTERVAL, stop_after=1):
                        pass
        except (psycopg.Error, RPCError) as error:
            log.warning("reconciliation failed", error=type(error).__name__)
            await asyncio.sleep(LOOK_INTERVAL)


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
