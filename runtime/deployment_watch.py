"""A worker's checks of its deployment: before it starts, and while it runs."""

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
from runtime.temporal_probe import probe_temporal, read_failure
from store.database import Database

log = structlog.get_logger()

# Between two checks while something needed is missing, in seconds; doubled up to the second.
FIRST_PAUSE: Final = 0.1
MAX_PAUSE: Final = 5.0
# A lasting problem is logged again after this time.
REPEAT_SECONDS: Final = 60.0
# With a problem, the deployment is checked more often.
LACKING_INTERVAL: Final = 15.0


class DeploymentWatch:
    """One for each worker process. `connect` and `probe_mail` use the settings.

    `connect` raises RuntimeError if Temporal cannot be reached. A connected client reconnects by itself.
    """

    def __init__(
        self,
        database: Database,
        connect: Callable[[], Awaitable[Client]],
        probe_mail: Callable[[], Awaitable[Reachable | Away | None]],
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
        self._logged: Sequence[DeploymentFinding] = ()
        self._logged_at = 0.0

    async def until_usable(self, stop: asyncio.Event) -> Client | None:
        """Wait until the worker has all it needs; return the client, or None if stopped."""
        pause = FIRST_PAUSE
        while not stop.is_set():
            facts = await self._look()
            lacks = find_lacks(facts)
            if self._client is not None and not any(found.part in NEEDED_BY_WORKER for found in lacks):
                self._log(lacks)
                return self._client
            self._log(lacks, is_waiting=True)
            await self._report(lacks)
            await _wait(stop, pause)
            pause = min(pause * 2, MAX_PAUSE)
        return None

    async def keep_reporting(self, stop: asyncio.Event) -> None:
        """Log and report problems until stopped, then withdraw the report."""
        while not stop.is_set():
            facts = await self._look(await self._probe_mail())
            lacks = find_lacks(facts)
            self._log(lacks)
            await self._report(lacks)
            await _wait(stop, LACKING_INTERVAL if lacks else REPORT_INTERVAL)
        try:
            await retire(self._database, self._worker)
        except psycopg.Error:
            # The report expires by itself after some minutes.
            log.warning("failed to withdraw worker report", worker=self._worker)

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
        return await probe_temporal(self._client, self._task_queue)

    async def _report(self, lacks: Sequence[DeploymentFinding]) -> None:
        """Store the findings, unless the database itself is the problem."""
        if any(found.part in (DeploymentPart.DATABASE, DeploymentPart.MIGRATIONS) for found in lacks):
            return
        try:
            # The API checks the outbox and the partitions itself.
            seen = [found for found in lacks if found.part not in (DeploymentPart.OUTBOX, DeploymentPart.PARTITIONS)]
            await report(self._database, self._worker, seen, self._link_mark)
        except psycopg.Error:
            log.warning("failed to report deployment problems", exc_info=True)

    def _log(self, lacks: Sequence[DeploymentFinding], *, is_waiting: bool = False) -> None:
        """Update the health check; log changed findings, and lasting ones now and then."""
        self._health.lacks = lacks
        now = asyncio.get_running_loop().time()
        if list(lacks) == list(self._logged) and now - self._logged_at < REPEAT_SECONDS:
            return
        for found in lacks:
            log.warning(
                "worker start postponed" if is_waiting else "deployment problem found",
                lacks=found.part.value,
                problem=found.problem,
                remedy=found.remedy,
                detail=found.detail,
            )
        if self._logged and not lacks:
            log.info("deployment problems resolved")
        self._logged, self._logged_at = lacks, now


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
