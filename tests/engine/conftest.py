from collections.abc import AsyncIterator
from typing import Any

import pytest

from application.catalogue import Catalogue
from application.ingest import Ingest
from store.database import Database
from tests.engine.ingesting import Query
from tests.patience import PATIENCE
from tests.pools import patient_pools as patient_pools


@pytest.fixture
def patient_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Transactions that race wait longer for each other on a busy machine than a client would."""
    monkeypatch.setattr("store.database.LOCK_TIMEOUT", f"{PATIENCE:.0f}s")


@pytest.fixture
async def ingest(database_url: str) -> AsyncIterator[Ingest]:
    """As an API process of its own has it."""
    async with Database(database_url, pool_size=20) as database:
        yield Ingest(database, Catalogue())


@pytest.fixture
async def query(database_url: str) -> AsyncIterator[Query]:
    """The rows of a query on the test's database, for tests that need no more than that."""
    async with Database(database_url, pool_size=2) as database:

        async def rows(sql: str, *parameters: Any) -> list[dict[str, Any]]:
            async with database.transaction() as connection:
                cursor = await connection.execute(sql, parameters)
                found: list[dict[str, Any]] = await cursor.fetchall() if cursor.description else []
                return found

        yield rows
