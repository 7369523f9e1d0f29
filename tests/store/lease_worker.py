"""python -m tests.store.budget_worker URL SEED: a process that takes from one budget as fast as it can.

It gives every fourth charge back, as a message does that fails, and says in the end what it has kept.
"""

import asyncio
import random
import sys

from domain.sending.budgets import BudgetCharge
from store import budgets, leases
from store import database as database_module
from store.database import Database
from tests.harness import PATIENCE

BUDGET, KEY, LIMIT = "daily", "2026-12-01", 1_000
# Everything is asked for several times over.
REQUESTS = 60


async def work(url: str, seed: int) -> int:
    rolls, kept = random.Random(seed), 0
    # Twenty of them begin at once.
    database_module.CONNECTION_TIMEOUT = PATIENCE
    async with Database(url, pool_size=1) as database:
        for _ in range(REQUESTS):
            charge = BudgetCharge(BUDGET, KEY, rolls.randint(1, 9))
            async with database.transaction() as connection:
                if not await leases.take(connection, BUDGET, KEY, charge.micros, LIMIT, rolls.getrandbits(64)):
                    continue
            if rolls.random() < 0.25:
                async with database.transaction() as connection:
                    await budgets.give_back(connection, [charge])
            else:
                kept += charge.micros
    return kept


if __name__ == "__main__":
    sys.stdout.write(str(asyncio.run(work(sys.argv[1], int(sys.argv[2])))))
