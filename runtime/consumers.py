"""The consumers of the stream, run by every worker; one worker at a time has each."""

import asyncio
from collections.abc import Sequence

import psycopg
import structlog

from application.consumers import Consumer, consume_page
from domain.errors import SojournError
from runtime.metrics import CONSUMER_BEHIND
from runtime.tasks import cancel_and_wait
from store.clickhouse import ClickHouseError
from store.database import Database, describe_error

log = structlog.get_logger()

# The interval of looks for new rows, in seconds: an idle look reads a few pages of indexes.
LOOK_INTERVAL = 1.0
MAX_PAUSE = 30.0


async def run_consumers(database: Database, consumers: Sequence[Consumer], stop: asyncio.Event) -> None:
    """Run each consumer by itself until stopped: an error of one costs no other."""
    tasks = [asyncio.create_task(_follow(database, consumer)) for consumer in consumers]
    try:
        await stop.wait()
    finally:
        for task in tasks:
            await cancel_and_wait(task)


async def _follow(database: Database, consumer: Consumer) -> None:
    pause = LOOK_INTERVAL
    while True:
        try:
            consumed = await consume_page(database, consumer)
        except Exception as error:  # noqa: BLE001 -- the next round begins at the same row
            log.warning("failed to consume rows", consumer=consumer.name, error=_describe(error), seconds=pause)
            await asyncio.sleep(pause)
            pause = min(MAX_PAUSE, pause * 2)
            continue
        pause = LOOK_INTERVAL
        if consumed is not None:
            CONSUMER_BEHIND.labels(consumer.name).set(consumed.behind)
        if consumed is None or not consumed.has_more:
            await asyncio.sleep(LOOK_INTERVAL)


def _describe(error: Exception) -> str:
    """Describe an error without values of rows."""
    if isinstance(error, psycopg.Error):
        return describe_error(error)
    if isinstance(error, ClickHouseError):
        return str(error)
    return error.detail if isinstance(error, SojournError) else type(error).__name__
