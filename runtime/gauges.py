"""Gauges from the database, polled by each worker at a fixed interval."""

import asyncio
from time import time

import psycopg
import structlog

from runtime.metrics import POLLED_GAUGES
from store.database import Database, describe_error
from store.gauges import read_gauges

log = structlog.get_logger()

INTERVAL = 15.0


async def poll_gauges(database: Database, stop: asyncio.Event) -> None:
    """Poll until stopped. While the database is away, the last values stay.

    `sojourn_survey_timestamp_seconds` shows their age.
    """
    while not stop.is_set():
        try:
            async with database.transaction() as connection:
                found = await read_gauges(connection)
        except psycopg.Error as error:
            log.warning("failed to poll gauges", error=describe_error(error))
        else:
            POLLED_GAUGES.show(found, time())
        try:
            await asyncio.wait_for(stop.wait(), INTERVAL)
        except TimeoutError:
            continue
