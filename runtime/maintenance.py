"""Regular maintenance: partitions of coming months, and what is kept for a while."""

import asyncio
from datetime import timedelta

import psycopg
import structlog

from domain.deployment_documents import RETENTION
from domain.people.erasure import ID_LIFETIME
from domain.people.topics.requests import WINDOW
from domain.retention_document import DEFAULT_DAYS
from store import (
    ad_uploads,
    attachments,
    backtests,
    callback_ids,
    console_sessions,
    delivery_counts,
    device_addresses,
    documents,
    erasures,
    idempotency,
    inbox,
    leases,
    partitions,
    recalls,
    retention,
    segments,
    subscription_requests,
    violations,
)
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
                await subscription_requests.forget(connection, WINDOW)
            async with database.transaction() as connection:
                await callback_ids.forget(connection, callback_ids.LIFETIME)
                await console_sessions.forget(connection, console_sessions.LIFETIME)
                await delivery_counts.forget(connection, delivery_counts.LIFETIME)
                await attachments.forget(connection)
                await backtests.forget(connection, backtests.LIFETIME)
                await recalls.forget(connection)
                await ad_uploads.forget(connection)
            await apply_retention(database)
            await work_on_pages(database)
        except psycopg.Error:
            log.exception("failed to run maintenance")
        try:
            await asyncio.wait_for(stop.wait(), INTERVAL)
        except TimeoutError:
            continue


async def work_on_pages(database: Database) -> None:
    """Delete what is of no use any more, and add up numbers, in short transactions."""
    for page in (
        segments.forget_retired,
        segments.add_up_counts,
        leases.forget_past,
        device_addresses.forget_old,
        inbox.forget_expired,
    ):
        has_more = True
        while has_more:
            async with database.transaction() as connection:
                has_more = await page(connection)


async def apply_retention(database: Database) -> None:
    """Delete what is past its retention, in short transactions."""
    async with database.transaction() as connection:
        rules = (await documents.latest(connection, RETENTION)).rules
    ages = {kind: timedelta(days=days) for kind, days in DEFAULT_DAYS.items()}
    ages |= {rule.kind: timedelta(seconds=rule.seconds) for rule in rules}
    for kind, age in ages.items():
        if kind == "events":
            async with database.transaction() as connection:
                await retention.drop_months(connection, age)
        has_more = True
        while has_more:
            async with database.transaction() as connection:
                has_more = await retention.delete_page(connection, kind, age)
