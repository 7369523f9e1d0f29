"""Pieces of work that processes are killed at."""

import asyncio
import itertools
from datetime import datetime
from uuid import UUID

from application import segments
from application.ad_flush import AdPlatforms, AudienceFlush, AudienceJudge
from application.catalogue import Catalogue
from application.ingest import Ingest
from application.link_tracking import LinkVerdicts
from application.reports import Reports
from channels.ad_platforms.meta import Meta
from domain.sending.routes import DailyLimit
from store import warm_up
from store.database import Database
from tests.engine.rfm_harness import rfm_harness
from tests.engine.segment_harness import segment_harness

# People of one transaction, so that a few of them are several pages.
PAGE = 20
PROVIDER = "new"


async def judge_links(url: str) -> None:
    """Give the verdicts that are due."""
    async with Database(url, pool_size=4) as database:
        catalogue = Catalogue()
        verdicts = LinkVerdicts(database, Reports(database, catalogue, Ingest(database, catalogue)))
        while (await verdicts.sweep()).number:
            pass


async def flush_audiences(url: str, base: str) -> None:
    """Judge and flush all audiences once."""
    async with Database(url, pool_size=4) as database:
        while (await AudienceJudge(database).sweep()).number:
            pass
        platforms = AdPlatforms(lambda _: Meta("token", base, 60.0))
        await AudienceFlush(database, Catalogue(), platforms).sweep()
        await platforms.close()


async def judge_people(url: str) -> None:
    """Do what the operations have to do."""
    segments.PAGE = PAGE  # type: ignore[misc]
    async with segment_harness(url) as harness:
        await harness.operate()


async def score_people(url: str, night: datetime) -> None:
    """Do what the operations have to do in a night."""
    segments.PAGE = PAGE  # type: ignore[misc]
    async with rfm_harness(url) as harness:
        harness.set_clock(night)
        await harness.operate()


async def take_messages(url: str, limit: DailyLimit) -> None:
    """Take from the day of a provider until it is full, a message in each transaction, which notes that."""
    places = itertools.count()
    is_full = asyncio.Event()

    async def take(database: Database) -> None:
        while not is_full.is_set():
            async with database.transaction() as connection:
                if await warm_up.take(connection, PROVIDER, limit, UUID(int=next(places) * 7919)):
                    await connection.execute("INSERT INTO taken DEFAULT VALUES")
                else:
                    is_full.set()

    async with Database(url, pool_size=4) as database, asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(take(database))
