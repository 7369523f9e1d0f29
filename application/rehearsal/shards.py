"""Shards of a backtest, each read and simulated in one of several processes."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from uuid import UUID

from msgspec import Struct

from application.rehearsal.deployments import BacktestedRules
from application.rehearsal.simulations import BacktestOptions, Simulation, prepare
from domain.rehearsal.shard import ShardResult, simulate_shard
from domain.sending.routes import ProviderRule
from store.database import Database
from store.history_reads import read_histories


class ShardSetup(Struct, frozen=True):
    """Everything that a process needs before its first shard."""

    database_url: str
    deployed: BacktestedRules
    options: BacktestOptions
    timezone: str
    default_providers: Mapping[str, ProviderRule]

    def prepare(self) -> Simulation:
        """Put the rules in force."""
        return prepare(self.deployed, self.options, self.timezone, self.default_providers)


class ShardJob(Struct, frozen=True):
    """The people of a shard, and their share of the room that all people share."""

    ids: Sequence[UUID]
    room: float
    keeps_records: bool


class _Process:
    """A process that simulates shards: rules are compiled once."""

    def __init__(self, setup: ShardSetup) -> None:
        self._setup = setup
        self._simulation = setup.prepare()

    def run(self, job: ShardJob) -> ShardResult:
        return asyncio.run(self._run(job))

    async def _run(self, job: ShardJob) -> ShardResult:
        async with Database(self._setup.database_url, pool_size=1) as database:
            return await simulate_job(database, self._simulation, job)


_process: list[_Process] = []


def _open(setup: ShardSetup) -> None:
    _process.append(_Process(setup))


def _run(job: ShardJob) -> ShardResult:
    return _process[0].run(job)


async def simulate_job(database: Database, simulation: Simulation, job: ShardJob) -> ShardResult:
    """Read the history of a shard in one snapshot, and simulate it."""
    async with database.snapshot() as connection:
        histories = await read_histories(connection, job.ids, simulation.wanted)
    return simulate_shard(
        simulation.rulebook, simulation.playback, histories, job.room, keeps_records=job.keeps_records
    )


async def simulate_jobs(setup: ShardSetup, jobs: Sequence[ShardJob], processes: int) -> AsyncGenerator[ShardResult]:
    """Iterate over the results of shards in their order, which decides nothing."""
    if processes == 1 or len(jobs) <= 1:
        simulation = setup.prepare()
        async with Database(setup.database_url, pool_size=1) as database:
            for job in jobs:
                yield await simulate_job(database, simulation, job)
        return
    loop = asyncio.get_running_loop()
    # Not by a fork: the parent has connections and threads.
    with ProcessPoolExecutor(min(processes, len(jobs)), get_context("spawn"), _open, (setup,)) as pool:
        try:
            for pending in [loop.run_in_executor(pool, _run, job) for job in jobs]:
                yield await pending
        except BaseException:
            # An error, or an end that is asked for, does not wait for the shards that have not begun.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
