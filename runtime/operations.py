"""Operations of the deployment, by every worker."""

import asyncio

import psycopg

from application.operations.runner import OperationRunner
from runtime.notified_work import work_when_notified
from store import operations
from store.database import Database


async def work_on_operations(database: Database, runner: OperationRunner, stop: asyncio.Event) -> None:
    """Work on the deployment's operations until stopped; an open page is repeated."""

    async def work(_: psycopg.AsyncConnection) -> float | None:
        return await runner.work_on_deployment()

    await work_when_notified(database, operations.CHANNEL, "operations", work, stop)
