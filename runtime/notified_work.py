"""A worker's work that begins at notifications of the database."""

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import structlog
from temporalio.service import RPCError

from runtime.tasks import cancel_and_wait
from store.database import Database, describe_error

log = structlog.get_logger()

# The pause after a failure, and the longest between two looks: a notification may be lost with its connection.
LOOK_INTERVAL = 30.0

# Does what is due, and returns how soon to look again, in seconds; None if at the next notification.
Work = Callable[[psycopg.AsyncConnection], Awaitable[float | None]]


async def work_when_notified(database: Database, channel: str, name: str, work: Work, stop: asyncio.Event) -> None:
    """Work until stopped, even in the middle: an open transaction is rolled back.

    `work` gets the connection that listens, to hold locks of the session.
    """
    working = asyncio.create_task(_keep_working(database, channel, name, work))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
    finally:
        await cancel_and_wait(working)
        await cancel_and_wait(stopped)


async def _keep_working(database: Database, channel: str, name: str, work: Work) -> None:
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(database.url, autocommit=True) as connection:
                await connection.execute(f"LISTEN {channel}")
                while True:
                    due = await work(connection)
                    timeout = LOOK_INTERVAL if due is None else min(due, LOOK_INTERVAL)
                    async for _ in connection.notifies(timeout=timeout, stop_after=1):
                        pass
        except psycopg.Error as error:
            log.warning("failed to do notified work", work=name, error=describe_error(error))
            await asyncio.sleep(LOOK_INTERVAL)
        except RPCError as error:
            log.warning("failed to do notified work", work=name, error=error.status.name)
            await asyncio.sleep(LOOK_INTERVAL)
