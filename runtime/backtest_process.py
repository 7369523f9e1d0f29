"""python -m runtime.backtest_process: one attempt at a backtest.

The process has the lowest priority, and is the first that the kernel ends where memory is short. It ends with the
worker that has started it, however that one ends, and stores its report itself.
"""

import asyncio
import os
import pickle
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog
from msgspec import convert

from application.rehearsal.backtests import Against, Backtest, Backtested
from application.rehearsal.deployments import BacktestedRules, read_deployed
from application.rehearsal.requests import BacktestRequest
from application.rehearsal.simulations import BacktestOptions
from application.rehearsal.traces import trace
from domain.errors import NotFoundError, SojournError
from domain.rehearsal.given_documents import GivenDocument, check_campaigns, parse_rules
from domain.rehearsal.stored_report import split_report
from runtime.backtest_job import BacktestJob
from runtime.logs import configure_logs
from runtime.process import exit_now
from runtime.tasks import cancel_and_wait
from store import backtests
from store.backtests import BacktestAttempt
from store.database import Database

log = structlog.get_logger()

PROGRESS_INTERVAL: Final = 0.5
LOWEST_PRIORITY: Final = 19
CONNECTIONS: Final = 2


class _Progress:
    """The people who are simulated, written once in a while."""

    def __init__(self, database: Database, attempt: BacktestAttempt) -> None:
        self._database = database
        self._attempt = attempt
        self._now: tuple[int, int] | None = None

    def note(self, done: int, total: int) -> None:
        """Take the latest numbers."""
        self._now = done, total

    async def write(self) -> None:
        """Write what has changed."""
        if self._now is not None:
            (done, total), self._now = self._now, None
            async with self._database.transaction() as connection:
                await backtests.record_progress(connection, self._attempt, done, total)

    async def keep_writing(self) -> None:
        """Write until cancelled."""
        while True:
            await self.write()
            await asyncio.sleep(PROGRESS_INTERVAL)


async def run(job: BacktestJob) -> None:
    """Simulate, and store the report, or the reason why there is none."""
    async with Database(job.database_url, pool_size=CONNECTIONS) as database:
        progress = _Progress(database, job.attempt)
        writing = asyncio.create_task(progress.keep_writing())
        try:
            found = await _simulate(database, job, progress)
        except SojournError as error:
            async with database.transaction() as connection:
                await backtests.fail(connection, job.attempt, str(error))
            return
        finally:
            await cancel_and_wait(writing)
        await progress.write()
        kept = split_report(found.report, {user: trace(records) for user, records in found.traces.items()})
        async with database.transaction() as connection:
            await backtests.finish(connection, job.attempt, kept.report, kept.people)


async def _simulate(database: Database, job: BacktestJob, progress: _Progress) -> Backtested:
    async with database.snapshot() as connection:
        running = await read_deployed(connection)
        stored = await backtests.find(connection, job.attempt.id)
        asked = await backtests.list_people(connection, job.attempt.id, "trace")
    if stored is None:
        raise NotFoundError("the backtest was deleted")
    request = convert(stored.request, BacktestRequest)
    options = BacktestOptions(
        since=stored.since,
        until=stored.until,
        others=request.others,
        sample=request.sample,
        segment=request.segment,
        user_ids=[one.user_id for one in asked],
    )
    against = request.against
    backtest = Backtest(
        database,
        _put_in_place(running, request.documents),
        running,
        options,
        job.timezone,
        job.default_providers,
        against=None if against is None else Against(_put_in_place(running, against), _list_names(against)),
        limits=request.limits,
    )
    return await backtest.run(_list_names(request.documents), progress.note)


def _put_in_place(running: BacktestedRules, documents: Sequence[GivenDocument]) -> BacktestedRules:
    return running.with_documents(check_campaigns(documents).values(), parse_rules(documents))


def _list_names(documents: Sequence[GivenDocument]) -> list[str]:
    return [one.text.file for one in documents]


def _yield_to_others() -> None:
    """Take processor time that is left over, and be the first to lack memory."""
    os.nice(LOWEST_PRIORITY)
    # Not on macOS, which has no such file.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _end_with_worker() -> None:
    """End this process once its worker is gone, which closes the other end."""
    sys.stdin.buffer.read()
    os._exit(1)


def main() -> None:
    """Run the job that the worker writes to standard input."""
    configure_logs()
    # Ctrl-C in a terminal reaches all processes; the worker decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _yield_to_others()
    job: BacktestJob = pickle.load(sys.stdin.buffer)  # noqa: S301 - it comes from the process that started this one
    threading.Thread(target=_end_with_worker, daemon=True).start()
    try:
        asyncio.run(run(job))
    except Exception:
        log.exception("failed to run backtest", backtest=str(job.attempt.id))
        exit_now(1)
    exit_now(0)


if __name__ == "__main__":
    main()
