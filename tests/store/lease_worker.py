"""python -m tests.store.lease_worker URL SEED: processes that take from one budget as fast as they can.

Each gives every fourth charge back, as a message does that fails. What they keep stands in the table `kept`, as
messages in the ledger: written by the transaction that takes it. Every third process is killed amid its work.
"""

import asyncio
import multiprocessing
import random
import sys
import time

from domain.sending.budgets import BudgetCharge
from store import budgets, leases
from store import database as database_module
from store.database import Database
from tests.patience import PATIENCE

BUDGET, KEY, LIMIT = "daily", "2026-12-01", 1_000
PROCESSES = 20
# Everything is asked for several times over.
REQUESTS = 60
# How long after the beginning one is killed: most have work left.
DEATH_SECONDS = 0.5
KEPT = "CREATE TABLE kept (id bigint GENERATED ALWAYS AS IDENTITY, micros bigint NOT NULL)"
FORK = multiprocessing.get_context("fork")
BEGINNING = FORK.Barrier(PROCESSES + 1)


async def work(url: str, seed: int) -> None:
    rolls = random.Random(seed)
    # Twenty of them begin at once.
    database_module.CONNECTION_TIMEOUT = PATIENCE
    async with Database(url, pool_size=1) as database:
        async with database.transaction():
            BEGINNING.wait()
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
    BEGINNING.wait(PATIENCE)
    began_at = time.monotonic()
    for after, number in deaths:
        time.sleep(max(0.0, began_at + after - time.monotonic()))
        workers[number].kill()
    for worker in workers:
        worker.join()
    sys.stdout.write(" ".join(str(worker.exitcode) for worker in workers))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
