"""python -m tests.store.lease_worker URL SEED: processes that take from one budget as fast as they can.

Each gives every fourth charge back, as a message does that fails. What they keep stands in the table `kept`, as
messages in the ledger: written by the transaction that takes it. Every third process is killed amid its work.
"""

import asyncio
import multiprocessing
import os
import random
import select
import sys
import time

from domain.sending.budgets import BudgetCharge
from store import budgets, leases
from store import database as database_module
from store.database import Database

BUDGET, KEY, LIMIT = "daily", "2026-12-01", 1_000
PROCESSES = 20
# Everything is asked for several times over.
REQUESTS = 60
PATIENCE = 120.0
# How long after the beginning one is killed: most have work left.
DEATH_SECONDS = 0.5
KEPT = "CREATE TABLE kept (id bigint GENERATED ALWAYS AS IDENTITY, micros bigint NOT NULL)"
FORK = multiprocessing.get_context("fork")


class Start:
    """The instant at which all processes begin. Pipes, unlike locks, survive the death of who uses them."""

    def __init__(self) -> None:
        self._ready = os.pipe()
        self._begun = os.pipe()

    def wait(self) -> None:
        """Say that this process is ready, and wait for the others."""
        os.write(self._ready[1], b".")
        os.read(self._begun[0], 1)

    def give(self, processes: int) -> None:
        """Let so many processes begin, once they are ready."""
        for _ in range(processes):
            if not select.select([self._ready[0]], [], [], PATIENCE)[0]:
                raise TimeoutError("a process was never ready")
            os.read(self._ready[0], 1)
        os.write(self._begun[1], b"." * processes)


START = Start()


async def work(url: str, seed: int) -> None:
    rolls = random.Random(seed)
    # Twenty of them begin at once.
    database_module.CONNECTION_TIMEOUT = PATIENCE
    async with Database(url, pool_size=1) as database:
        async with database.transaction():
            START.wait()
        for _ in range(REQUESTS):
            charge = BudgetCharge(BUDGET, KEY, rolls.randint(1, 9))
            async with database.transaction() as connection:
                if not await leases.take(connection, BUDGET, KEY, charge.micros, LIMIT, rolls.getrandbits(64)):
                    continue
                cursor = await connection.execute(
                    "INSERT INTO kept (micros) VALUES (%s) RETURNING id", (charge.micros,)
                )
                row = await cursor.fetchone()
            if row is not None and rolls.random() < 0.25:
                async with database.transaction() as connection:
                    await connection.execute("DELETE FROM kept WHERE id = %s", (row["id"],))
                    await budgets.give_back(connection, [charge])


def run(url: str, seed: int) -> None:
    """The life of one process."""
    asyncio.run(work(url, seed))


def main(url: str, seed: int) -> None:
    """Run the processes, and print their exit codes. They are forks: what all import is imported once."""
    rolls = random.Random(seed)
    workers = [FORK.Process(target=run, args=(url, PROCESSES * seed + number)) for number in range(PROCESSES)]
    for worker in workers:
        worker.start()
    deaths = sorted((rolls.uniform(0, DEATH_SECONDS), number) for number in range(0, PROCESSES, 3))
    START.give(PROCESSES)
    began_at = time.monotonic()
    for after, number in deaths:
        time.sleep(max(0.0, began_at + after - time.monotonic()))
        workers[number].kill()
    for worker in workers:
        worker.join()
    sys.stdout.write(" ".join(str(worker.exitcode) for worker in workers))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
