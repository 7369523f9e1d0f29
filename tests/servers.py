"""The servers of a test run: one PostgreSQL and one Temporal, started on demand and shared by all test processes."""

import asyncio
import json
import shutil
import tempfile
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest

from runtime.embedded.postgres import EmbeddedPostgres
from runtime.embedded.temporal import NAMESPACE, EmbeddedTemporal
from runtime.temporal import SEARCH_ATTRIBUTES, connect
from runtime.temporal_probe import make_search_attributes
from store.migrate import upgrade

# Longer histories continue as new: low, so that a test reaches it, and above what the other tests need.
EVENTS_PER_RUN = 150
DYNAMIC_CONFIG = {
    "limit.historyCount.suggestContinueAsNew": str(EVENTS_PER_RUN),
    # Each harness has queues of its own, which the server would look after for minutes.
    "matching.maxTaskQueueIdleTime": '"10s"',
    # It would also count by queue, and report what it counted of all queues there ever were, each second.
    "metrics.breakdownByTaskQueue": "false",
    "metrics.breakdownByBuildID": "false",
    # Each queue would have four partitions, of which each is made, asked and looked after.
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    # A workflow is deleted once the tasks of its end are known to be done, which is written down each half minute.
    "history.transferProcessorUpdateAckInterval": '"1s"',
    "history.visibilityProcessorUpdateAckInterval": '"1s"',
}
# Four test processes at once, the bench among them, have some 300 open.
MAX_CONNECTIONS = 1_000
MIGRATED = "migrated"
RETENTION = Duration(seconds=86_400)
# Where Linux has a file system in memory, and the room that all test processes together may want, in bytes.
MEMORY, MIN_ROOM = Path("/dev/shm"), 4 * 2**30  # noqa: S108 only a place to make a folder in


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A PostgreSQL server, by the URL of its maintenance database."""

    url: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition("/")[0].rpartition(":")[2])

    def url_of(self, database: str) -> str:
        """Return the URL of another of its databases."""
        return f"{self.url.rpartition('/')[0]}/{database}"

    async def create(self, database: str, template: str) -> str:
        """Create a database from a template; return its URL."""
        await self.execute(f"CREATE DATABASE {database} TEMPLATE {template} STRATEGY file_copy")
        return self.url_of(database)

    async def execute(self, statement: str) -> None:
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            await connection.execute(statement)


@dataclass(frozen=True, slots=True)
class TemporalServer:
    """A Temporal server, and the namespace in it that a test uses."""

    address: str
    namespace: str = NAMESPACE

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


def server_folder() -> tempfile.TemporaryDirectory[str]:
    """Make a folder that the servers' own user can reach, in memory where there is room for many small files."""
    is_roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MIN_ROOM
    folder = tempfile.TemporaryDirectory(prefix="sojourn-test-", dir=MEMORY if is_roomy else None)
    Path(folder.name).chmod(0o755)
    return folder


class ServerHost:
    """Starts each server when the first test process asks for it, from a thread of the process that runs the tests.

    Test processes ask over a Unix socket; a run that needs no server starts none.
    """

    def __init__(self) -> None:
        self._folder = server_folder()
        self.socket = Path(self._folder.name, "host")
        self._starts: dict[str, Callable[[], Awaitable[str]]] = {
            "postgres": self._start_postgres,
            "temporal": self._start_temporal,
        }
        self._stops: list[Callable[[], Awaitable[None]]] = []
        self._started: dict[str, asyncio.Future[str]] = {}
        self._stop, self._is_listening = asyncio.Event(), threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()])
        self._thread.start()
        self._is_listening.wait()

    def stop(self) -> None:
        """Stop the servers and remove their data."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()
        self._folder.cleanup()

    async def _serve(self) -> None:
        async with await asyncio.start_unix_server(self._answer, self.socket):
            self._is_listening.set()
            await self._stop.wait()
        await asyncio.gather(*self._started.values(), return_exceptions=True)
        for stop in self._stops:
            await stop()

    async def _answer(self, reader: StreamReader, writer: StreamWriter) -> None:
        name = (await reader.readline()).decode().strip()
        if name not in self._started:
            self._started[name] = asyncio.ensure_future(self._starts[name]())
        try:
            answer = {"address": await asyncio.shield(self._started[name])}
        except Exception as error:  # noqa: BLE001 the test process that asked raises it
            answer = {"error": repr(error)}
        writer.write(json.dumps(answer).encode())
        writer.close()

    async def _start_postgres(self) -> str:
        """Start PostgreSQL with a migrated database to copy, which takes a fraction of migrating each."""
        server = await EmbeddedPostgres.start(
            Path(self._folder.name, "postgres"), durable=False, max_connections=MAX_CONNECTIONS
        )
        self._stops.append(server.stop)
        url = await PostgresServer(server.url).create(MIGRATED, "template1")
        await asyncio.to_thread(upgrade, url)
        return server.url

    async def _start_temporal(self) -> str:
        server = await EmbeddedTemporal.start(
            Path(self._folder.name, "temporal"),
            ui=False,
            search_attributes=SEARCH_ATTRIBUTES,
            dynamic_config=DYNAMIC_CONFIG,
        )
        self._stops.append(server.stop)
        return server.address


async def request_server(host: Path, name: str) -> str:
    """Return the address of a server of the host, started unless it runs.

    Raises:
        RuntimeError: it did not start; says why.
    """
    reader, writer = await asyncio.open_unix_connection(host)
    writer.write(f"{name}\n".encode())
    answer = json.loads(await reader.read())
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    if "error" in answer:
        raise RuntimeError(f"{name} did not start: {answer['error']}")
    return str(answer["address"])


async def create_namespace(server: TemporalServer) -> None:
    """Create the namespace with its search attributes."""
    client = await connect(server.address, server.namespace)
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace=server.namespace, workflow_execution_retention_period=RETENTION)
    )
    await make_search_attributes(client, SEARCH_ATTRIBUTES)
