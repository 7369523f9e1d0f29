"""A budget is exact under any concurrency: never exceeded, and nothing of it is lost."""

import asyncio
import sys

import pytest

from domain.sending.budgets import BudgetCharge
from store import budgets
from store.database import Database
from tests.proofs import rounds
from tests.store import budget_worker
from tests.store.budget_worker import BUDGET, KEY, LIMIT

PROCESSES = 20


async def left_of(database: Database, limit: int = LIMIT) -> int:
    """What can still be taken, a unit at a time; it is taken."""
    left = 0
    async with database.transaction() as connection:
        while await budgets.take(connection, BudgetCharge(BUDGET, KEY, 1), limit, left):
            left += 1
    return left


@pytest.mark.prove
@pytest.mark.takes_long
async def test_twenty_processes_never_exceed_a_budget_and_lose_nothing_of_it(database_url: str) -> None:
    for round in range(rounds(1, 20)):
        workers = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", budget_worker.__name__, database_url, str(100 * round + number)),
                stdout=asyncio.subprocess.PIPE,
            )
            for number in range(PROCESSES)
        ]
        kept = [int((await worker.communicate())[0]) for worker in workers]
        async with Database(database_url, pool_size=1) as database:
            assert sum(kept) <= LIMIT
            assert sum(kept) + await left_of(database) == LIMIT
            async with database.transaction() as connection:
                await connection.execute("DELETE FROM budget_slots")


async def test_the_last_of_a_budget_is_sought_in_all_slots(database_url: str) -> None:
    async with Database(database_url, pool_size=1) as database:
        for place in range(16):
            async with database.transaction() as connection:
                assert await budgets.take(connection, BudgetCharge(BUDGET, KEY, 1), LIMIT, place)
        async with database.transaction() as connection:
            assert not await budgets.take(connection, BudgetCharge(BUDGET, KEY, LIMIT - 15), LIMIT, 3)
            assert await budgets.take(connection, BudgetCharge(BUDGET, KEY, LIMIT - 16), LIMIT, 3)
            assert not await budgets.take(connection, BudgetCharge(BUDGET, KEY, 1), LIMIT, 3)
            # A greater budget has room at once.
            assert await budgets.take(connection, BudgetCharge(BUDGET, KEY, 1), LIMIT + 1, 3)


async def test_of_several_messages_the_first_ones_have_room(database_url: str) -> None:
    async with Database(database_url, pool_size=1) as database, database.transaction() as connection:
        assert await budgets.take_many(connection, BUDGET, KEY, 10, [4, 4, 4, 1]) == 2
        assert await budgets.take_many(connection, BUDGET, KEY, 10, [2]) == 1
        assert await budgets.take_many(connection, BUDGET, KEY, 10, [1]) == 0
