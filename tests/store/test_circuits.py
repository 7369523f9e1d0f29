"""Circuits under concurrency: one opening, one probe a minute, and no late answer that closes one."""

import asyncio

from domain.sending.circuit import MAX_FAILURES
from store import circuits
from store.database import Database

NAME = "relay"


async def fail(database: Database, number: int) -> int:
    """Count failures at once; how many of them have opened the circuit."""

    async def once() -> bool:
        async with database.transaction() as connection:
            return await circuits.record_failure(connection, NAME, "failed", "connection", "refused")

    return sum(await asyncio.gather(*(once() for _ in range(number))))


async def answer(database: Database, *, was_probe: bool) -> bool:
    async with database.transaction() as connection:
        return await circuits.record_answer(connection, NAME, was_probe=was_probe)


async def probe(database: Database) -> bool:
    async with database.transaction() as connection:
        return await circuits.take_probe(connection, NAME)


async def test_failures_in_a_row_open_it_once_and_an_answer_between_them_counts(database_url: str) -> None:
    async with Database(database_url, pool_size=10) as database:
        assert await fail(database, MAX_FAILURES - 1) == 0
        assert await answer(database, was_probe=False) is False
        assert await fail(database, MAX_FAILURES - 1) == 0
        assert await fail(database, 20) == 1
        async with database.transaction() as connection:
            [row] = await circuits.load(connection)
        assert (row.provider, row.failures, row.reason) == (NAME, MAX_FAILURES + 19, "connection")


async def test_one_message_probes_and_only_its_answer_closes(database_url: str) -> None:
    async with Database(database_url, pool_size=10) as database:
        assert await fail(database, MAX_FAILURES) == 1
        assert await probe(database) is False
        for _ in range(2):
            async with database.transaction() as connection:
                await connection.execute("UPDATE provider_circuits SET probe_at = clock_timestamp()")
            assert sum(await asyncio.gather(*(probe(database) for _ in range(20)))) == 1
        assert await answer(database, was_probe=False) is False
        assert await answer(database, was_probe=True) is True
        assert await probe(database) is False


async def test_a_fault_of_the_account_opens_at_once(database_url: str) -> None:
    async with Database(database_url, pool_size=2) as database, database.transaction() as connection:
        assert await circuits.record_failure(connection, NAME, "faulty", "account", "the provider answered 401")
        cursor = await connection.execute(f"SELECT {circuits.BROKEN} AS broken")
        [row] = await cursor.fetchall()
        assert list(row["broken"]) == [NAME]
