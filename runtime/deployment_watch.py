"""A worker looks at its deployment: it waits for what it needs, and reports what is missing for as long as it runs."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import psycopg
import structlog
from temporalio.client import Client

from application.readiness import look_at_database, report, retire
from domain.deployment.findings import (
    NEEDED_BY_WORKER,
    REPORT_INTERVAL,
    Away,
    DeploymentFinding,
    DeploymentPart,
    Facts,
    Reachable,
    TemporalFacts,
    find_lacks,
)
from runtime.health import Health
from runtime.temporal import CALL_TIMEOUT
from runtime.temporal_probe import look_at_temporal, read_failure
from store.database import Database

log = structlog.get_logger()

# Between two looks while something is missing that the worker needs, in seconds: doubled up to the second.
FIRST_PAUSE: Final = 0.1
MAX_PAUSE: Final = 5.0
# What is still missing is told again in the log after so many seconds.
REPEAT_SECONDS: Final = 60.0
# While something is missing, the deployment is checked more often.
LACKING_INTERVAL: Final = 15.0


class DeploymentWatch:
    """One a worker process. `connect` and `probe_mail` reach Temporal and the mail server as the settings say.

    `connect` raises RuntimeError when Temporal cannot be reached. A client, once there, reconnects by itself.
    """

    def __init__(
        self,
        database: Database,
        connect: Callable[[], Awaitable[Client]],
        probe_mail: Callable[[], Awaitable[Reachable | Away]],
        link_mark: str,
        health: Health,
        task_queue: str,
    ) -> None:
        self._database = database
        self._connect = connect
        self._probe_mail = probe_mail
        self._link_mark = link_mark
        self._health = health
        self._task_queue = task_queue
        self._worker = f"{socket.gethostname()}/{os.getpid()}"
        self._client: Client | None = None
        self._told: Sequence[DeploymentFinding] = ()
        self._told_at = 0.0

    async def until_usable(self, stop: asyncio.Event) -> Client | None:
        """A client, once there is all that a worker needs, however long that takes; None if it is stopped meanwhile."""
        pause = FIRST_PAUSE
        while not stop.is_set():
            facts = await self._look()
            lacks = find_lacks(facts)
            if self._client is not None and not any(found.part in NEEDED_BY_WORKER for found in lacks):
                self._tell(lacks, "the deployment lacks something")
                return self._client
            self._tell(lacks, "the worker waits")
            await self._report(lacks)
            await _wait(stop, pause)
            pause = min(pause * 2, MAX_PAUSE)
        return None

    async def keep_reporting(self, stop: asyncio.Event) -> None:
        """Until stopped: say what is missing in the log and to the API, then that this worker is gone."""
        while not stop.is_set():
            facts = await self._look(await self._probe_mail())
            lacks = find_lacks(facts)
            self._tell(lacks, "the deployment lacks something")
            await self._report(lacks)
            await _wait(stop, LACKING_INTERVAL if lacks else REPORT_INTERVAL)
        try:
            await retire(self._database, self._worker)
        except psycopg.Error:
            # Then it counts as gone when it has not reported for some minutes.
            log.warning("failed to take back the report of the worker", worker=self._worker)

    async def _look(self, smtp: Reachable | Away | None = None) -> Facts:
        view, temporal = await asyncio.gather(look_at_database(self._database), self._look_at_temporal())
        return Facts(database=view if isinstance(view, Away) else view.facts, temporal=temporal, smtp=smtp)

    async def _look_at_temporal(self) -> TemporalFacts | Away:
        try:
            if self._client is None:
                async with asyncio.timeout(CALL_TIMEOUT):
                    self._client = await self._connect()
        except (RuntimeError, TimeoutError) as error:
            return read_failure(error)
        return await look_at_temporal(self._client, self._task_queue)

    async def _report(self, lacks: Sequence[DeploymentFinding]) -> None:
        """What is missing of the database itself cannot be left in it."""
        if any(found.part in (DeploymentPart.DATABASE, DeploymentPart.MIGRATIONS) for found in lacks):
            return
        try:
            # The API looks at the outbox and the partitions itself.
            seen = [found for found in lacks if found.part not in (DeploymentPart.OUTBOX, DeploymentPart.PARTITIONS)]
            await report(self._database, self._worker, seen, self._link_mark)
        except psycopg.Error:
            log.warning("failed to report what the deployment lacks", exc_info=True)

    def _tell(self, lacks: Sequence[DeploymentFinding], event: str) -> None:
        """Once when it changes, and again now and then; to the health check always."""
        self._health.lacks = lacks
        now = asyncio.get_running_loop().time()
        if list(lacks) == list(self._told) and now - self._told_at < REPEAT_SECONDS:
            return
        for found in lacks:
            log.warning(event, lacks=found.part.value, problem=found.problem, remedy=found.remedy, detail=found.detail)
        if self._told and not lacks:
            log.info("the deployment lacks nothing any more")
        self._told, self._told_at = lacks, now


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
