"""The servers and processes that are measured: started as an operator starts them, on loopback."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path
from signal import SIGTERM
from uuid import uuid4

import httpx
import psycopg
from pydantic import SecretStr
from temporalio.client import Client

from runtime.embedded.ports import LOOPBACK, free_port
from runtime.embedded.postgres import EmbeddedPostgres
from runtime.embedded.temporal import EmbeddedTemporal
from runtime.temporal import SEARCH_ATTRIBUTES, connect
from settings import Settings
from store.migrate import upgrade
from tests.processes import environment

ROOT = Path(__file__).parents[2]
WRITE_KEY, ADMIN_KEY = "write-key-of-the-bench", "admin-key-of-the-bench"
# Where the null channel notes what it was handed.
HANDED_OVER = "BENCH_HANDED_OVER"
READY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the deployment. `url` is where it answers, if it does."""

    pid: int
    url: str = ""


@dataclass(slots=True)
class Stack:
    """The servers, and what runs beside them. `effort` scales what is done: 1 is the whole of it."""

    postgres: EmbeddedPostgres
    temporal: EmbeddedTemporal
    client: Client
    folder: Path
    effort: float = 1.0

    def count(self, whole: int, least: int = 1) -> int:
        """How many to do where the whole would be so many."""
        return max(least, round(whole * self.effort))

    async def database(self, template: str = "bench") -> str:
        """The URL of a fresh copy of a database; of a migrated, empty one by default."""
        async with await psycopg.AsyncConnection.connect(self.postgres.url, autocommit=True) as connection:
            found = await connection.execute("SELECT FROM pg_database WHERE datname = 'bench'")
            if found.rowcount == 0:
                await connection.execute("CREATE DATABASE bench")
                await asyncio.to_thread(upgrade, self._url("bench"))
            name = f"bench_{uuid4().hex}"
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._url(name)

    def _url(self, name: str) -> str:
        return f"{self.postgres.url.rpartition('/')[0]}/{name}"

    def settings(self, database_url: str) -> Settings:
        """The settings of a deployment on a database, with task queues of its own."""
        return Settings(
            database_url=SecretStr(database_url),
            temporal_address=self.temporal.address,
            task_queue=f"bench-{uuid4().hex}",
            write_key=SecretStr(WRITE_KEY),
            admin_key=SecretStr(ADMIN_KEY),
            # The client of these measurements is one, where a deployment has many.
            rate_limit=0,
            link_secret=SecretStr("link-secret-of-the-bench"),
            webhook_signing_secret=SecretStr("whsec_c2VjcmV0LW9mLXRoZS10ZXN0cy0xMjM0NTY3OA=="),
        )

    @asynccontextmanager
    async def api(self, settings: Settings) -> AsyncIterator[Process]:
        """`sojourn api`, from when it answers."""
        port = free_port()
        url = f"http://{LOOPBACK}:{port}"
        async with self._process(settings, "-m", "cli.main", "api", "--port", str(port)) as (pid, log):
            async with httpx.AsyncClient() as http:
                async for _ in _looks(log):
                    try:
                        await http.get(f"{url}/healthz")
                        break
                    except httpx.TransportError:
                        continue
            yield Process(pid, url)

    @asynccontextmanager
    async def run(self, settings: Settings, *arguments: str) -> AsyncIterator[Process]:
        """A process of tests/bench/launch.py, from when it says that it runs."""
        async with self._process(settings, "-m", "tests.bench.launch", *arguments) as (pid, log):
            async for _ in _looks(log):
                if " runs" in log.read_text():
                    break
            yield Process(pid)

    @property
    def handed_over(self) -> Path:
        """The notes of the null channel: a line a message, of what it was told and when."""
        return self.folder / "handed-over"

    @asynccontextmanager
    async def _process(self, settings: Settings, *arguments: str) -> AsyncIterator[tuple[int, Path]]:
        log = self.folder / f"{uuid4().hex}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *arguments),
                cwd=ROOT,
                env={**environ, **environment(settings), HANDED_OVER: str(self.handed_over)},
                stdout=output,
                stderr=output,
            )
        try:
            yield process.pid, log
        finally:
            if process.returncode is None:
                process.send_signal(SIGTERM)
            if await process.wait() not in (0, -SIGTERM):
                sys.stderr.write(log.read_text())


async def _looks(log: Path) -> AsyncIterator[None]:
    """Looks for something to come; its log is told if it does not."""
    deadline = asyncio.get_running_loop().time() + READY_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        yield
        await asyncio.sleep(0.05)
    raise TimeoutError(log.read_text())


@asynccontextmanager
async def open_stack() -> AsyncIterator[Stack]:
    """Servers of their own, that keep what they are told as those of `sojourn dev` do."""
    with tempfile.TemporaryDirectory(prefix="sojourn-bench-") as made:
        folder = Path(made)
        # PostgreSQL runs as a user of its own where we are root.
        folder.chmod(0o755)
        postgres = await EmbeddedPostgres.start(folder / "postgres")
        try:
            temporal = await EmbeddedTemporal.start(folder / "temporal", ui=False, search_attributes=SEARCH_ATTRIBUTES)
            try:
                yield Stack(postgres, temporal, await connect(temporal.address, "default"), folder)
            finally:
                await temporal.stop()
        finally:
            await postgres.stop()
