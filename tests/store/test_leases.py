"""A lease is exact under any concurrency: never exceeded, and nothing of it is lost."""

import asyncio
import signal
import sys
from datetime import date, timedelta
from random import Random
from typing import Final

import pytest

from domain.sending.budgets import BudgetScope, MoneyBudget, NamedBudget, day_key
from store import leases
from store.database import Database
from tests.harness import PATIENCE, looks
from tests.proofs import rounds
from tests.store import lease_worker
from tests.store.lease_worker import BUDGET, KEY, LIMIT, PROCESSES

SCOPES: Final[tuple[BudgetScope, ...]] = ("day", "month", "campaign")


async def left_of(database: Database, limit: int = LIMIT) -> int:
    """What can still be taken, a unit at a time; it is taken."""
    left = 0
    async with database.transaction() as connection:
        while await leases.take(connection, BUDGET, KEY, 1, limit, left):
            left += 1
    return left


@pytest.mark.prove
@pytest.mark.takes_long
async def test_twenty_processes_never_exceed_a_budget_and_lose_nothing_of_it(database_url: str) -> None:
    """A third of them is killed amid its work."""
    killed = 0
    async with Database(database_url, pool_size=1) as database:
        async with database.transaction() as connection:
            await connection.execute(lease_worker.KEPT)
        for round in range(rounds(1, 20)):
            workers = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", lease_worker.__name__, database_url, str(round)), stdout=asyncio.subprocess.PIPE
            )
            ends = [int(code) for code in (await workers.communicate())[0].split()]
            assert len(ends) == PROCESSES
            assert set(ends) <= {0, -signal.SIGKILL}
            killed += ends.count(-signal.SIGKILL)
            async with database.transaction() as connection:
                # The backend of a killed process may be about to commit.
                await connection.execute("LOCK TABLE leases, lease_returns, kept")
                cursor = await connection.execute("SELECT COALESCE(sum(micros), 0)::int AS micros FROM kept")
                kept = (await cursor.fetchall())[0]["micros"]
            assert kept <= LIMIT
            assert kept + await left_of(database) == LIMIT
            async with database.transaction() as connection:
                await connection.execute("DELETE FROM leases")
                await connection.execute("DELETE FROM kept")
    print(f"{killed} processes were killed")  # noqa: T201
    assert killed > 0


async def test_the_last_of_a_budget_is_sought_in_all_slots(database_url: str) -> None:
    async with Database(database_url, pool_size=1) as database:
        for place in range(16):
            async with database.transaction() as connection:
                assert await leases.take(connection, BUDGET, KEY, 1, LIMIT, place)
        async with database.transaction() as connection:
            assert not await leases.take(connection, BUDGET, KEY, LIMIT - 15, LIMIT, 3)
            assert await leases.take(connection, BUDGET, KEY, LIMIT - 16, LIMIT, 3)
            assert not await leases.take(connection, BUDGET, KEY, 1, LIMIT, 3)
            # A greater budget has room at once.
            assert await leases.take(connection, BUDGET, KEY, 1, LIMIT + 1, 3)


async def test_a_look_for_room_is_what_is_taken_and_takes_nothing(database_url: str) -> None:
    dice = Random(7)
    async with Database(database_url, pool_size=1) as database, database.transaction() as connection:
        kept, refused = [0], 0
        while refused < 20:
            amount = dice.randrange(LIMIT // 30)
            foreseen = [await leases.has_room(connection, BUDGET, KEY, amount, LIMIT) for _ in range(2)]
            taken = await leases.take(connection, BUDGET, KEY, amount, LIMIT, dice.getrandbits(32))
            assert foreseen == [taken, taken]
            refused += not taken
            kept += [amount] if taken else []
            if kept and dice.random() < 0.2:
                await leases.give_back(connection, BUDGET, KEY, kept.pop(dice.randrange(len(kept))))


async def test_who_finds_a_slot_used_up_by_another_keeps_no_lock_of_it(database_url: str) -> None:
    """The last of slot 1 is taken; another waits for it, and for slot 0, which a third has, who waits for slot 1."""
    async with Database(database_url, pool_size=5) as database:

        async def take(number: int) -> int:
            async with database.transaction() as connection:
                return await leases.take_many(connection, BUDGET, KEY, LIMIT, [1] * number)

        async def take_one() -> bool:
            async with database.transaction() as connection:
                return await leases.take(connection, BUDGET, KEY, 1, LIMIT, 0)

        async def waits(number: int) -> None:
            async for is_last in looks(PATIENCE):
                async with database.transaction() as connection:
                    cursor = await connection.execute(
                        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
                    )
                    if len(await cursor.fetchall()) == number:
                        return
                assert not is_last

        # A slice of the limit, but for one.
        assert await take(LIMIT // leases.SLICES - 1) == LIMIT // leases.SLICES - 1
        async with asyncio.TaskGroup() as group, database.transaction() as connection:
            assert await leases.take(connection, BUDGET, KEY, 1, LIMIT, 0)
            second = group.create_task(take_one())
            await waits(1)
            third = group.create_task(take(2))
            await waits(2)
        assert (second.result(), third.result()) == (True, 2)


async def test_of_several_messages_the_first_ones_have_room(database_url: str) -> None:
    async with Database(database_url, pool_size=1) as database, database.transaction() as connection:
        assert await leases.take_many(connection, BUDGET, KEY, 10, [4, 4, 4, 1]) == 2
        assert await leases.take_many(connection, BUDGET, KEY, 10, [2]) == 1
        assert await leases.take_many(connection, BUDGET, KEY, 10, [1]) == 0


async def test_the_leases_of_past_days_and_months_are_forgotten_and_no_others(database_url: str) -> None:
    """A campaign may have the name of a day, and a message of today be of one that has passed elsewhere."""
    async with Database(database_url, pool_size=1) as database:
        async with database.transaction() as connection:
            today = connection.clock.now().date()
            old, young = (today - timedelta(days=days) for days in (40, 6))
            keys = [budget(scope).key(old.isoformat(), day) for scope in SCOPES for day in (old, young, today)]
            for key in [*dict.fromkeys(keys), day_key(old), day_key(today)]:
                assert await leases.take(connection, BUDGET, key, 1, LIMIT, 1)
                await leases.give_back(connection, BUDGET, key, 1)
        for _ in range(20):
            async with database.transaction() as connection:
                if not await leases.forget_past(connection, 1):
                    break
        async with database.transaction() as connection:
            cursor = await connection.execute(
                "SELECT DISTINCT key FROM leases UNION ALL SELECT DISTINCT key FROM lease_returns ORDER BY key"
            )
            left = [row["key"] for row in await cursor.fetchall()]
    kept = {f"campaign {old} EUR", f"day {young} EUR", f"day {today} EUR", f"day {today}"}
    kept |= {f"month {day:%Y-%m} EUR" for day in (young, today)}
    assert left == sorted([*kept, *kept])


def budget(scope: BudgetScope) -> NamedBudget:
    return NamedBudget("daily", MoneyBudget(scope, LIMIT, "EUR"))


def test_money_of_another_currency_is_of_another_part() -> None:
    today = date(2026, 12, 1)
    keys = {
        NamedBudget("daily", MoneyBudget(scope, LIMIT, currency)).key("2026-12-01", today)
        for scope in SCOPES
        for currency in ("EUR", "USD")
    }
    assert len(keys) == 6
