"""Regular maintenance: partitions of coming months, and what is kept for a while."""

import asyncio

import psycopg
import structlog

from domain.people.erasure import ID_LIFETIME
from store import erasures, idempotency, partitions, rejects, violations
from store.database import Database

log = structlog.get_logger()

INTERVAL = 3_600.0


async def run_maintenance(database: Database, stop: asyncio.Event) -> None:
    """Run every hour until stopped. The next round repeats a failed one."""
    while not stop.is_set():
        try:
            async with database.transaction() as connection:
                await partitions.ensure(connection)
            async with database.transaction() as connection:
                await idempotency.forget(connection)
            async with database.transaction() as connection:
                await violations.forget(connection)
            async with database.transaction() as connection:
                await erasures.forget_ids(connection, ID_LIFETIME)
            await forget_rejects(database)
        except psycopg.Error:
            log.exception("failed to run maintenance")
        try:
            await asyncio.wait_for(stop.wait(), INTERVAL)
        except TimeoutError:
            continue


async def forget_rejects(database: Database) -> None:
    """Delete old rejects page by page, in short transactions."""
    has_more = True
    while has_more:
        async with database.transaction() as connection:
            has_more = await rejects.forget(connection)
