"""What is counted is what was committed."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from store.database import Connection, Database, PendingResult
from store.transaction_metrics import Increments, Metric


class Told:
    """Who keeps the count."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __call__(self, counts: Increments) -> None:
        for (_, (campaign, *_)), number in counts.items():
            self.counts[campaign] += number


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def database(database_url: str, told: Told) -> AsyncIterator[Database]:
    """One connection, so that each transaction follows another on it."""
    async with Database(database_url, pool_size=1, count=told) as opened:
        yield opened


async def roll_back(database: Database) -> None:
    async with database.transaction() as connection:
        connection.metrics.add(Metric.ENTERED, "rolled back")
        raise RuntimeError


async def test_a_transaction_is_counted_once_it_is_committed(database: Database, told: Told) -> None:
    async with database.transaction() as connection:
        connection.metrics.add(Metric.ENTERED, "cart", number=2)
        connection.metrics.add(Metric.ENTERED, "cart")
        assert not told.counts
    assert told.counts == {"cart": 3}


async def test_what_is_rolled_back_is_not_counted(database: Database, told: Told) -> None:
    with pytest.raises(RuntimeError):
        await roll_back(database)
    async with database.transaction() as connection:
        await connection.execute("SELECT 1")
    assert not told.counts


async def test_a_part_that_is_rolled_back_leaves_the_rest(database: Database, told: Told) -> None:
    async with database.unit_of_work() as work:
        whole = await work.connection()
        whole.metrics.add(Metric.ENTERED, "before")
        with pytest.raises(RuntimeError):
            await roll_back(database)
        async with database.transaction() as part:
            part.metrics.add(Metric.ENTERED, "after")
        assert not told.counts
    assert told.counts == {"before": 1, "after": 1}


async def test_what_a_statement_answers_at_the_end_is_counted_as_well(database: Database, told: Told) -> None:
    async def deed(connection: Connection, campaign: str) -> None:
        cursor = await connection.execute("SELECT %s AS campaign", (campaign,))
        answer = PendingResult(cursor, lambda rows: [(row["campaign"],) for row in rows]).get
        connection.metrics.add_later(Metric.ENTERED, answer)

    async def part() -> None:
        async with database.pipeline() as connection:
            await deed(connection, "rolled back")
            raise RuntimeError

    async with database.pipeline() as connection:
        await deed(connection, "cart")
    async with database.unit_of_work() as work:
        await deed(await work.connection(), "cart")
        with pytest.raises(RuntimeError):
            await part()
    assert told.counts == {"cart": 2}
