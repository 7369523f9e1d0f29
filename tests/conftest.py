"""Real servers for every test run, a Temporal namespace for each test process, and a fresh database for each test."""

import tests.imports  # noqa: F401 isort: skip

import gc
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from temporalio.client import Client

from runtime import documents
from runtime.embedded.temporal import EmbeddedTemporal
from runtime.process import exit_now
from runtime.temporal import SEARCH_ATTRIBUTES, connect
from tests import hangs
from tests.databases import database_of, keep_connections
from tests.harness import Harness, open_harness
from tests.late_starts import begin_late
from tests.libraries import do_once
from tests.servers import (
    MIGRATED,
    PostgresServer,
    ServerHost,
    TemporalServer,
    create_namespace,
    request_server,
    server_folder,
)

do_once()
# A busy machine may stop a process for seconds, which a worker would take for a workflow that never yields.
os.environ.setdefault("TEMPORAL_DEBUG", "1")
# There is memory enough for the servers of Temporal to collect their garbage seldom.
os.environ.setdefault("GOGC", "400")
# With one thread at a time none spins for work that another does: a tenth less processor time.
os.environ.setdefault("GOMAXPROCS", "1")
# A busy machine may also take its time for an example.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
# By default every local variable of every frame is printed, which takes longer than many a test.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


HOST: pytest.StashKey[ServerHost] = pytest.StashKey()


@pytest.fixture(scope="session")
def data_folder() -> Iterator[Path]:
    """A folder that the servers' own user can reach, for servers of a test's own."""
    with server_folder() as made:
        yield Path(made)


@pytest.fixture(scope="session")
def host(pytestconfig: pytest.Config) -> Path:
    """The socket of the host of the servers."""
    if hasattr(pytestconfig, "workerinput"):
        return Path(pytestconfig.workerinput["host"])
    return pytestconfig.stash[HOST].socket


@pytest.fixture(scope="session", autouse=True)
def _late_starts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        begin_late(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_process_left() -> Iterator[None]:
    """End the process that forks the checks of documents, which the API begins on first use."""
    yield
    if documents._warm is not None:
        documents._warm.close()
        documents._warm._process.wait()


@pytest.fixture(scope="session")
async def postgres(host: Path) -> AsyncIterator[PostgresServer]:
    async with keep_connections():
        yield PostgresServer(await request_server(host, "postgres"))


@pytest.fixture(scope="session")
async def temporal(host: Path, worker_id: str) -> TemporalServer:
    """The Temporal server, with a namespace of this test process: the tests' campaigns have the same keys."""
    server = TemporalServer(await request_server(host, "temporal"), f"test-{worker_id}")
    await create_namespace(server)
    return server


@pytest.fixture
async def lone_temporal(data_folder: Path) -> AsyncIterator[EmbeddedTemporal]:
    """A Temporal server of the test's own, which it may kill."""
    with tempfile.TemporaryDirectory(dir=data_folder) as folder:
        server = await EmbeddedTemporal.start(Path(folder), ui=False, search_attributes=SEARCH_ATTRIBUTES)
        yield server
        await server.stop()


@pytest.fixture(scope="session")
async def client(temporal: TemporalServer) -> Client:
    return await connect(temporal.address, temporal.namespace)


@pytest.fixture(scope="session")
def migrated() -> str:
    """The name of a migrated database that others are copied from."""
    return MIGRATED


@pytest.fixture
async def database_url(postgres: PostgresServer, migrated: str) -> AsyncIterator[str]:
    """A migrated database of the test's own, with nothing in it."""
    async with database_of(postgres, migrated) as url:
        yield url


@pytest.fixture
async def empty_database_url(postgres: PostgresServer) -> AsyncIterator[str]:
    """A database of the test's own that nothing has been done to."""
    async with database_of(postgres, "template1") as url:
        yield url


@pytest.fixture
async def harness(database_url: str, temporal: TemporalServer) -> AsyncIterator[Harness]:
    """The whole engine on the real servers: API over HTTP, worker with relay, a real inbox."""
    async with open_harness(database_url, temporal) as opened:
        yield opened


@pytest.fixture
async def lone_harness(database_url: str, lone_temporal: EmbeddedTemporal) -> AsyncIterator[Harness]:
    """Like `harness`, on a Temporal server of its own."""
    async with open_harness(database_url, TemporalServer(lone_temporal.address)) as opened:
        yield opened


def pytest_configure(config: pytest.Config) -> None:
    """Limit each test; host the servers of the run, in the process that runs or hands out the tests."""
    config.pluginmanager.register(hangs)
    if not hasattr(config, "workerinput"):
        config.stash[HOST] = ServerHost()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a test process where the servers are to be had."""
    node.workerinput["host"] = str(node.config.stash[HOST].socket)


def pytest_collection(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput") and session.config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        _import_share(session.config)


def _import_share(config: pytest.Config) -> None:
    """Begin with a share of the modules of tests, which this test process compiles for all of them.

    In a fresh clone each would compile all modules, with their assertions rewritten: 7 s of processor time.
    """
    given: dict[str, Any] = getattr(config, "workerinput")  # noqa: B009 pytest-xdist sets it
    number, processes = int(given["workerid"].removeprefix("gw")), int(given["workercount"])
    for path in sorted(config.rootpath.glob("tests/**/test_*.py"))[number::processes]:
        # Collecting the module comes to the same, and reports it.
        with suppress(Exception):
            import_module(".".join(path.relative_to(config.rootpath).with_suffix("").parts))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have what takes long begin first, in all test processes but two.

    It waits more than it works: the two others keep the processors busy meanwhile. pytest-xdist gives each process an
    equal part of the list, in its order, and moves the ends of long queues later.
    """
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    queues = max(1, processes - 2)
    long = [item for item in items if item.get_closest_marker("takes_long")]
    short = iter([item for item in items if not item.get_closest_marker("takes_long")])
    left = len(items)
    items.clear()
    for number in range(processes):
        size = left // (processes - number)
        left -= size
        queue = long[number::queues] if number < queues else []
        items += [*queue, *itertools.islice(short, max(0, size - len(queue)))]
    items += short


def pytest_collection_finish() -> None:
    """Nor is what was collected to be looked through again and again."""
    # Read by now. The processes under test report any `SOJOURN_…` that they do not know.
    os.environ.pop("SOJOURN_PROVIDER_SPECS", None)
    gc.freeze()
    gc.enable()
    gc.set_threshold(50_000, 20, 100)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Leave the names of what passed out of its reports: thousands would be written and read, for nobody."""
    report = yield
    if report.passed:
        report.keywords = {}
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_unconfigure(config: pytest.Config) -> Generator[None, None, None]:
    """Stop the servers, then leave: a process that had a Temporal client may abort while the interpreter ends.

    They stop also where something of a test was left open, which fails the run: their thread would keep it from ending.
    """
    try:
        yield
    finally:
        if HOST in config.stash:
            config.stash[HOST].stop()
    status = getattr(config, "exit_status", None)
    if status is not None and not hasattr(config, "workerinput"):
        exit_now(int(status))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.exit_status = exitstatus  # type: ignore[attr-defined]
