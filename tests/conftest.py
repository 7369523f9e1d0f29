"""Real servers for every test run: one PostgreSQL and one Temporal a test process, a fresh database a test."""

import asyncio
import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import structlog
from temporalio.client import Client

from runtime.embedded.postgres import EmbeddedPostgres
from runtime.embedded.temporal import EmbeddedTemporal
from runtime.process import exit_now
from runtime.temporal import SEARCH_ATTRIBUTES, connect
from store.migrate import upgrade
from tests.harness import Harness, open_harness

# A longer history is to be continued as new: low, so that a test can get there, and above what other tests need.
EVENTS_A_RUN = 150
# Where Linux has a file system in memory, and the room that all test processes together may want, in bytes.
MEMORY, LEAST_ROOM = Path("/dev/shm"), 4 * 2**30  # noqa: S108 only a place to make a folder in


# A busy machine may stop a process for seconds, which a worker would take for a workflow that never yields.
os.environ.setdefault("TEMPORAL_DEBUG", "1")
# By default every local variable of every frame is printed, which takes longer than many a test.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture(scope="session")
def data_folder() -> Iterator[Path]:
    """A folder that the servers' own user can reach, in memory where there is room: a database is 300 small files."""
    is_roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > LEAST_ROOM
    with tempfile.TemporaryDirectory(prefix="sojourn-test-", dir=MEMORY if is_roomy else None) as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture(scope="session")
async def postgres(data_folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = await EmbeddedPostgres.start(data_folder / "postgres", durable=False)
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def temporal(data_folder: Path) -> AsyncIterator[EmbeddedTemporal]:
    # There is memory enough for the server to collect its garbage seldom.
    os.environ.setdefault("GOGC", "400")
    server = await EmbeddedTemporal.start(
        data_folder / "temporal",
        ui=False,
        search_attributes=SEARCH_ATTRIBUTES,
        dynamic_config={
            "limit.historyCount.suggestContinueAsNew": str(EVENTS_A_RUN),
            # Each harness has queues of its own, which the server would look after for minutes.
            "matching.maxTaskQueueIdleTime": '"10s"',
        },
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
async def database_url(postgres: EmbeddedPostgres, migrated: str) -> AsyncIterator[str]:
    """A migrated database of the test's own, with nothing in it."""
    async with database_of(postgres, migrated) as url:
        yield url


@pytest.fixture
async def empty_database_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database of the test's own that nothing has been done to."""
    async with database_of(postgres, "template1") as url:
        yield url


@asynccontextmanager
async def database_of(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """A database of its own, made from a template. Dropped soon, it is hardly ever written to the disk."""
    name = f"test_{uuid4().hex}"
    url = await _create(postgres, name, template)
    yield url
    await _execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


async def _create(postgres: EmbeddedPostgres, name: str, template: str) -> str:
    await _execute(postgres, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    return f"{postgres.url.rpartition('/')[0]}/{name}"


async def _execute(postgres: EmbeddedPostgres, statement: str) -> None:
    async with await psycopg.AsyncConnection.connect(postgres.url, autocommit=True) as connection:
        await connection.execute(statement)


@pytest.fixture
async def harness(database_url: str, temporal: EmbeddedTemporal) -> AsyncIterator[Harness]:
    """The whole engine on the real servers: API over HTTP, worker with relay, a real inbox."""
    async with open_harness(database_url, temporal.address) as opened:
        yield opened


def pytest_collection() -> None:
    """What is collected stays, so there is no garbage to look for meanwhile."""
    gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deal what takes long out to the beginnings of the test processes, so that none is left with it at the end."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.get_closest_marker("takes_long")]
    short = [item for item in items if not item.get_closest_marker("takes_long")]
    ends = [len(short) * number // processes for number in range(processes + 1)]
    items[:] = [
        item
        for number in range(processes)
        for item in (*long[number::processes], *short[ends[number] : ends[number + 1]])
    ]


def pytest_collection_finish() -> None:
    """Nor is what was collected to be looked through again and again."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(50_000, 20, 100)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave before the interpreter is torn down: a process that had a Temporal client may abort there."""
    status = getattr(config, "exit_status", None)
    if status is not None and not hasattr(config, "workerinput"):
        exit_now(int(status))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.exit_status = exitstatus  # type: ignore[attr-defined]
