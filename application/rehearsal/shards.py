"""Shards of a backtest, each read and simulated in one of several processes."""

import asyncio
import gc
import os
import signal
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from application.rehearsal.deployments import BacktestedRules
from application.rehearsal.simulations import BacktestOptions, Simulation, prepare
from domain.errors import UnavailableError
from domain.rehearsal.shard import ShardResult, compare_shard, simulate_shard
from domain.sending.routes import ProviderRule
from store.database import Database
from store.history_reads import read_histories


class Simulations(NamedTuple):
    """The version that is simulated, and the one that it is compared with."""

    simulated: Simulation
    against: Simulation | None


class ShardSetup(Struct, frozen=True):
    """Everything that a process needs before its first shard.

    `deployed` is simulated, and compared with `against` if there is one.
    """

    database_url: str
    deployed: BacktestedRules
    options: BacktestOptions
    timezone: str
    default_providers: Mapping[str, ProviderRule]
    against: BacktestedRules | None = None

    def prepare(self) -> Simulations:
        """Put the rules in force."""
        against = None if self.against is None else self._prepare(self.against)
        return Simulations(self._prepare(self.deployed), against)

    def _prepare(self, deployed: BacktestedRules) -> Simulation:
        return prepare(deployed, self.options, self.timezone, self.default_providers)


class ShardJob(Struct, frozen=True):
    """The people of a shard, and their share of the room that all people share."""

    ids: Sequence[UUID]
    room: float
    keeps_records: bool


class _Process:
    """A process that simulates shards: rules are compiled once."""

    def __init__(self, setup: ShardSetup) -> None:
        self._setup = setup
        self._simulations = setup.prepare()

    def run(self, job: ShardJob) -> ShardResult:
        # A collection of garbage while the histories are in memory takes a tenth of the time, and finds none.
        gc.disable()
        try:
            return asyncio.run(self._run(job))
        finally:
            gc.enable()
            gc.collect()

    async def _run(self, job: ShardJob) -> ShardResult:
        async with Database(self._setup.database_url, pool_size=1) as database:
            return await simulate_job(database, self._simulations, job)


_process: list[_Process] = []


def _open(setup: ShardSetup) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    _process.append(_Process(setup))
    # Rules stay: the garbage collector need not scan them again.
    gc.freeze()


def _end_with_parent() -> None:
    """End this process when its parent is gone: a pool alone would wait for ever."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _run(job: ShardJob) -> ShardResult:
    return _process[0].run(job)


@contextmanager
def _holding_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back during the block, and for ever in the processes that it starts.

    It reaches all processes of a terminal, and the first one decides.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def open_pool(setup: ShardSetup, processes: int) -> ProcessPoolExecutor:
    """Open processes for shards. None of them outlives this one."""
    # Not by a fork: the parent has connections and threads.
    return ProcessPoolExecutor(processes, get_context("spawn"), _open, (setup,))


async def simulate_job(database: Database, simulations: Simulations, job: ShardJob) -> ShardResult:
    """Read the history of a shard in one snapshot, and simulate it."""
    simulated, against = simulations
    async with database.snapshot() as reading:
        histories = await read_histories(reading, job.ids, simulated.wanted)
        # Each version has histories of its own, since simulated people change them.
        others = None if against is None else await read_histories(reading, job.ids, against.wanted)
    version = simulated.rulebook, simulated.playback, histories
    if against is None or others is None:
        return simulate_shard(*version, job.room, keeps_records=job.keeps_records)
    other = against.rulebook, against.playback, others
    return compare_shard(other, version, job.room, keeps_records=job.keeps_records)


async def simulate_jobs(setup: ShardSetup, jobs: Sequence[ShardJob], processes: int) -> AsyncGenerator[ShardResult]:
    """Iterate over the results of shards in their order, which decides nothing."""
    if processes == 1 or len(jobs) <= 1:
        simulations = setup.prepare()
        async with Database(setup.database_url, pool_size=1) as database:
            for job in jobs:
                yield await simulate_job(database, simulations, job)
        return
    with open_pool(setup, min(processes, len(jobs))) as pool:
        try:
            with _holding_interrupts():
                pending = deque(pool.submit(_run, job) for job in jobs)
            # None is kept once its result was taken: each has the messages of its sample.
            while pending:
                yield await asyncio.wrap_future(pending.popleft())
        except BrokenProcessPool as error:
            said = (
                "the system killed a process of this one, such as for want of memory: take fewer people by `--sample`"
            )
            raise UnavailableError(said) from error
        except BaseException:
            # An error, or an end that is asked for, does not wait for the shards that have not begun.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
