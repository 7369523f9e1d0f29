"""The log of `sojourn dev` at a terminal: incidents of users, live."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
import structlog

from domain.errors import UnavailableError
from runtime.embedded.feed import ActivityFeed, FeedLine
from store.database import Database

INTERVAL_SECONDS: Final = 0.5
# An incident at another time than now shows its time.
NOW: Final = timedelta(minutes=1)

# It says what it says although other lines are warnings alone.
log = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))


async def keep_logging(database: Database) -> None:
    """Log new records until cancelled."""
    feed = ActivityFeed(database)
    await feed.begin()
    while True:
        await asyncio.sleep(INTERVAL_SECONDS)
        try:
            for line in await feed.read():
                _log(line)
        except (psycopg.OperationalError, UnavailableError):
            continue  # the database is away, which others say


def _log(line: FeedLine) -> None:
    is_now = abs(line.at - datetime.now(UTC)) < NOW
    at = None if is_now else f"{line.at.astimezone():%Y-%m-%dT%H:%M}"
    log.info(line.event, user=line.user, **line.facts, at=at)
