"""Real servers for every test run: one PostgreSQL and one Temporal a test process, a fresh database a test."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from temporalio.client import Client

from runtime.embedded.postgres import EmbeddedPostgres
from runtime.embedded.temporal import EmbeddedTemporal
from runtime.leaving import leave
from runtime.temporal import SEARCH_ATTRIBUTES, connect
from store.migrate import upgrade
from tests.rig import Rig, open_rig

# A longer history is to be continued as new: low, so that a test can get there, and above what other tests need.
EVENTS_A_RUN = 150


@pytest.fixture(scope="session")
def data_folder() -> Iterator[Path]:
    """A folder that the servers' own user can reach."""
    with tempfile.TemporaryDirectory(prefix="sojourn-test-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture(scope="session")
async def postgres(data_folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = await EmbeddedPostgres.start(data_folder / "postgres", durable=False)
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def temporal(data_folder: Path) -> AsyncIterator[EmbeddedTemporal]:
    server = await EmbeddedTemporal.start(
        data_folder / "temporal",
        ui=False,
        search_attributes=SEARCH_ATTRIBUTES,
        dynamic_config={"limit.historyCount.suggestContinueAsNew": str(EVENTS_A_RUN)},
    )
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def client(temporal: EmbeddedTemporal) -> Client:
    return await connect(temporal.address, "default")


@pytest.fixture(scope="session")
async def migrated(postgres: EmbeddedPostgres) -> str:
    """The name of a migrated database that others are copied from, which takes a fraction of migrating them."""
    url = await _create(postgres, "migrated", "template1")
    await asyncio.to_thread(upgrade, url)
    return "migrated"


@pytest.fixture
async def database_url(postgres: EmbeddedPostgres, migrated: str) -> str:
    """A migrated database of the test's own, with nothing in it."""
    return await _create(postgres, f"test_{uuid4().hex}", migrated)


@pytest.fixture
async def empty_database_url(postgres: EmbeddedPostgres) -> str:
    """A database of the test's own that nothing has been done to."""
    return await _create(postgres, f"test_{uuid4().hex}", "template1")


async def _create(postgres: EmbeddedPostgres, name: str, template: str) -> str:
    async with await psycopg.AsyncConnection.connect(postgres.url, autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return f"{postgres.url.rpartition('/')[0]}/{name}"


@pytest.fixture
async def rig(database_url: str, temporal: EmbeddedTemporal) -> AsyncIterator[Rig]:
    """The whole engine on the real servers: API over HTTP, worker with relay, a real inbox."""
    async with open_rig(database_url, temporal.address) as opened:
        yield opened


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave before the interpreter is torn down: a process that had a Temporal client may abort there."""
    status = getattr(config, "exit_status", None)
    if status is not None and not hasattr(config, "workerinput"):
        leave(int(status))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.exit_status = exitstatus  # type: ignore[attr-defined]
