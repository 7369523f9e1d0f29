"""Backtests, one at a time in a deployment, each in a process of its own.

A worker that holds the lock starts the process, and ends it if the backtest is cancelled or taken over. A process that
is killed begins anew, and so does one whose worker is killed; after MAX_ATTEMPTS the backtest has failed.
"""

import asyncio
import os
import pickle
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from signal import Signals
from typing import Final

import psycopg
import structlog

from domain.sending.routes import ProviderRule
from runtime.backtest_job import BacktestJob
from runtime.notified_work import work_when_notified
from store import backtests
from store.backtests import BacktestAttempt
from store.database import Database

log = structlog.get_logger()

MODULE: Final = "runtime.backtest_process"
MAX_ATTEMPTS: Final = 3
# How soon a cancellation ends the process, in seconds.
LOOK_INTERVAL: Final = 0.5
PAUSE: Final = timedelta(seconds=5)
# A hundred thousand people take some minutes.
MAX_SECONDS: Final = 2 * 3_600.0
_REMEDY: Final = "take fewer people by `sample` or `segment`, or fewer days"


class BacktestRunner:
    """Runs backtests of a deployment, with what its settings say."""

    def __init__(
        self,
        database: Database,
        timezone: str,
        default_providers: Mapping[str, ProviderRule],
        *,
        max_seconds: float = MAX_SECONDS,
    ) -> None:
        self._database = database
        self._timezone = timezone
        self._default_providers = default_providers
        self._max_seconds = max_seconds

    async def run_due(self, holder: psycopg.AsyncConnection) -> float | None:
        """Run those that wait, unless another worker does; return how soon to look again.

        The lock is held by the connection.
        """
        cursor = await holder.execute("SELECT pg_try_advisory_lock(%s)", (backtests.LOCK,))
        row = await cursor.fetchone()
        if row is None or not row[0]:
            return None
        try:
            while True:
                async with self._database.transaction() as connection:
                    attempt = await backtests.begin_next(connection)
                if attempt is None:
                    break
                await self._run(attempt)
            async with self._database.transaction() as connection:
                return await backtests.seconds_until_due(connection)
        finally:
            # A lost connection has released it.
            with suppress(psycopg.Error):
                await holder.execute("SELECT pg_advisory_unlock(%s)", (backtests.LOCK,))

    async def _run(self, attempt: BacktestAttempt) -> None:
        if attempt.number > MAX_ATTEMPTS:
            await self._fail(attempt, f"its process was ended {MAX_ATTEMPTS} times before it was done: {_REMEDY}")
            return
        process = await self._start(attempt)
        try:
            async with asyncio.timeout(self._max_seconds):
                status = await self._wait(attempt, process)
        except TimeoutError:
            await _kill(process)
            hours = self._max_seconds / 3_600
            await self._fail(attempt, f"it took longer than {hours:g} hours: {_REMEDY}")
            return
        except BaseException:
            # This worker stops: another one begins anew.
            await _kill(process)
            async with self._database.transaction() as connection:
                await backtests.give_back(connection, attempt)
            raise
        log.info("backtest ended", backtest=str(attempt.id), attempt=attempt.number, status=status)
        if status:
            await self._retry(attempt, _describe(status))

    async def _start(self, attempt: BacktestAttempt) -> asyncio.subprocess.Process:
        job = BacktestJob(self._database.url, attempt, self._timezone, self._default_providers)
        # Without the secrets of this process.
        known = {name: value for name, value in os.environ.items() if not name.startswith("SOJOURN_")}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            # Folders of the working directory, such as a shop's own `domain`, are not imported.
            "-P",
            "-m",
            MODULE,
            stdin=asyncio.subprocess.PIPE,
            env={**known, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        if process.stdin is None:
            raise ValueError("a process that is told its job has a standard input")
        # It stays open: the process ends once this one is gone.
        with suppress(ConnectionError):
            process.stdin.write(pickle.dumps(job))
            await process.stdin.drain()
        return process

    async def _wait(self, attempt: BacktestAttempt, process: asyncio.subprocess.Process) -> int:
        """Wait for the end of the process; end it if the backtest is not its any more."""
        ended = asyncio.create_task(process.wait())
        while not ended.done():
            await asyncio.wait([ended], timeout=LOOK_INTERVAL)
            async with self._database.transaction() as connection:
                is_current = await backtests.is_current(connection, attempt)
            if not is_current and not ended.done():
                await asyncio.wait([ended], timeout=LOOK_INTERVAL)
                await _kill(process)
        return ended.result()

    async def _retry(self, attempt: BacktestAttempt, reason: str) -> None:
        if attempt.number >= MAX_ATTEMPTS:
            await self._fail(attempt, f"{reason}, {MAX_ATTEMPTS} times: {_REMEDY}")
            return
        async with self._database.transaction() as connection:
            await backtests.put_off(connection, attempt, reason, PAUSE)

    async def _fail(self, attempt: BacktestAttempt, reason: str) -> None:
        async with self._database.transaction() as connection:
            await backtests.fail(connection, attempt, reason)


async def run_backtests(database: Database, runner: BacktestRunner, stop: asyncio.Event) -> None:
    """Run backtests until stopped, even in the middle: another worker begins anew."""
    await work_when_notified(database, backtests.CHANNEL, "backtests", runner.run_due, stop)


async def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def _describe(status: int) -> str:
    """Describe how a process has ended without a report."""
    if status < 0:
        name = Signals(-status).name
        return (
            f"its process was killed by {name}, such as for want of memory"
            if name == "SIGKILL"
            else (f"its process was killed by {name}")
        )
    return f"its process ended with status {status}: the log of the worker has the error"
