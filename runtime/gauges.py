"""What only the database knows, asked now and then by each worker, however often the metrics are read."""

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
    """Until stopped. While the database is away, the gauges stay and `sojourn_survey_timestamp_seconds` tells so."""
    while not stop.is_set():
        try:
            async with database.transaction() as connection:
                found = await read_gauges(connection)
        except psycopg.Error as error:
            log.warning("the database cannot be asked what waits", error=describe_error(error))
        else:
            POLLED_GAUGES.tell(found, time())
        try:
            await asyncio.wait_for(stop.wait(), INTERVAL)
        except TimeoutError:
            continue
