from collections.abc import AsyncIterator

import pytest

from application.catalogue import Catalogue
from application.ingest import Ingest
from store.database import Database


@pytest.fixture
async def ingest(database_url: str) -> AsyncIterator[Ingest]:
    """As an API process of its own has it."""
    async with Database(database_url, pool_size=20) as database:
        yield Ingest(database, Catalogue())
