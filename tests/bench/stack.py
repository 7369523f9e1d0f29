"""The servers and processes that are measured: started as an operator starts them, on loopback."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from runpy import run_module
from signal import SIGTERM
from uuid import uuid4

import httpx
from msgspec import Struct
from msgspec.json import decode, encode
from pydantic import SecretStr
from temporalio.client import Client

from runtime.embedded.ports import LOOPBACK, free_port
from runtime.embedded.postgres import EmbeddedPostgres
from runtime.embedded.temporal import NAMESPACE, EmbeddedTemporal
from runtime.temporal import SEARCH_ATTRIBUTES, connect
from settings import Settings
from store.migrate import upgrade
from tests import generated
from tests.forks import Fork, fork_with_log
from tests.processes import environment
from tests.servers import MIGRATED, PostgresServer, TemporalServer

ROOT = Path(__file__).parents[2]
WRITE_KEY, ADMIN_KEY = generated.WRITE_KEY, generated.ADMIN_KEY
# Where the null channel notes what it was handed.
HANDED_OVER = "BENCH_HANDED_OVER"
# A machine that does much else takes more than a minute to import it.
READY_SECONDS = 300
# For an answer that is not measured: publishing alone may take as long, on a machine that does much else.
ANSWER_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the deployment. `url` is where it answers, if it does."""

    pid: int
    url: str = ""


class Bare:
    """The process that starts bare workflows and runs them."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._told, self._tells = process.stdin, process.stdout

    async def start(self, prefix: str, count: int, rests: Sequence[float], **how: float | bool) -> "Started":
        """Have workflows started, and wait until each has come to its first activity."""
        self._told.write(encode({"prefix": prefix, "count": count, "rests": rests, **how}) + b"\n")
        return await self.reply()

    async def reply(self) -> "Started":
        return decode(await self._tells.readline(), type=Started)

    def leave(self) -> None:
        """Let it come to its end."""
        self._told.close()


class Started(Struct):
    """For each workflow: when its start was asked for, and when its first activity began, in nanoseconds."""

    asked: list[int] = []
    acted: list[int] = []


@dataclass(slots=True)
class Stack:
    """The servers, and what runs beside them. `effort` scales what is done: 1 is the whole of it.

    `migrated` is the name of a migrated, empty database. With `has_forks` processes start as forks, within
    milliseconds: for tests, since forks share memory, which the whole bench measures.
    """

    postgres: PostgresServer
    migrated: str
    temporal: TemporalServer
    client: Client
    folder: Path
    effort: float = 1.0
    has_forks: bool = False

    def count(self, whole: int, least: int = 1) -> int:
        """How many to do where the whole would be so many."""
        return max(least, round(whole * self.effort))

    async def database(self, template: str | None = None) -> str:
        """Return the URL of a fresh copy of a database; of the migrated, empty one by default."""
        return await self.postgres.create(f"bench_{uuid4().hex}", template or self.migrated)

    def settings(self, database_url: str) -> Settings:
        """The settings of a deployment on a database, with task queues of its own."""
        return Settings(
            database_url=SecretStr(database_url),
            temporal_address=self.temporal.address,
            temporal_namespace=self.temporal.namespace,
            task_queue=f"bench-{uuid4().hex}",
            write_key=SecretStr(WRITE_KEY),
            admin_key=SecretStr(ADMIN_KEY),
            # The client of these measurements is one, where a deployment has many.
            rate_limit=0,
            rate_limit_events=0,
            rate_limit_bytes=0,
            link_secret=SecretStr(generated.LINK_SECRET),
            webhook_signing_secret=SecretStr(generated.SIGNING_SECRET),
        )

    @asynccontextmanager
    async def api(self, settings: Settings, *, is_watched: bool = False) -> AsyncIterator[Process]:
        """`sojourn api`, from when it answers; with a watch on its event loop that of tests/bench/loop_watch.py."""
        port = free_port()
        url = f"http://{LOOPBACK}:{port}"
        command = ("tests.bench.launch", "api") if is_watched else ("cli.main", "api", "--port")
        async with self._process(settings, *command, str(port)) as (process, log):
            async with httpx.AsyncClient() as http:
                async for _ in _looks(log):
                    try:
                        await http.get(f"{url}/healthz")
                        break
                    except httpx.TransportError:
                        continue
            yield Process(process.pid, url)

    @asynccontextmanager
    async def run(self, settings: Settings, *arguments: str) -> AsyncIterator[Process]:
        """A process of tests/bench/launch.py, from when it says that it runs."""
        async with self._process(settings, "tests.bench.launch", *arguments) as (process, log):
            async for _ in _looks(log):
                if _says_that_it_runs(log):
                    break
            yield Process(process.pid)

    @asynccontextmanager
    async def bare(self, settings: Settings) -> AsyncIterator["Bare"]:
        """The process with the bare worker, from when it runs."""
        log = self.folder / f"{uuid4().hex}.log"
        process = await self._interpreter(settings, log, "tests.bench.launch", "bare", is_asked=True)
        async with _until_ended(process, log):
            bare = Bare(process)
            await bare.reply()
            yield bare
            bare.leave()

    @property
    def handed_over(self) -> Path:
        """The notes of the null channel: a line a message, of what it was told and when."""
        return self.folder / "handed-over"

    @asynccontextmanager
    async def _process(
        self, settings: Settings, module: str, *arguments: str
    ) -> AsyncIterator[tuple[asyncio.subprocess.Process | Fork, Path]]:
        log = self.folder / f"{uuid4().hex}.log"
        process: asyncio.subprocess.Process | Fork
        if self.has_forks:
            launch = partial(run_module, module, run_name="__main__", alter_sys=True)
            process = fork_with_log(log, *arguments, variables=self._variables(settings), launch=launch)
        else:
            process = await self._interpreter(settings, log, module, *arguments)
        async with _until_ended(process, log):
            yield process, log

    async def _interpreter(
        self, settings: Settings, log: Path, module: str, *arguments: str, is_asked: bool = False
    ) -> asyncio.subprocess.Process:
        with log.open("wb") as output:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module, *arguments),
                cwd=ROOT,
                env=self._variables(settings),
                stdin=asyncio.subprocess.PIPE if is_asked else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if is_asked else output,
                stderr=output,
                limit=2**24,
            )

    def _variables(self, settings: Settings) -> dict[str, str]:
        return {**os.environ, **environment(settings), HANDED_OVER: str(self.handed_over)}


@asynccontextmanager
async def _until_ended(process: asyncio.subprocess.Process | Fork, log: Path) -> AsyncIterator[None]:
    """End the process afterwards; show its log if anything fails."""
    try:
        yield
    except BaseException:
        _show(log)
        raise
    finally:
        if process.returncode is None:
            process.send_signal(SIGTERM)
        if await process.wait() not in (0, -SIGTERM):
            _show(log)


def _show(log: Path) -> None:
    sys.stderr.write(log.read_text())


def _says_that_it_runs(log: Path) -> bool:
    return "worker started" in log.read_text()


async def _looks(log: Path) -> AsyncIterator[None]:
    """Looks for something to come; its log is told if it does not."""
    deadline = asyncio.get_running_loop().time() + READY_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        yield
        await asyncio.sleep(0.05)
    raise TimeoutError(f"nothing came; see {log}")


@asynccontextmanager
async def open_stack() -> AsyncIterator[Stack]:
    """Servers of their own, that keep what they are told as those of `sojourn dev` do."""
    with tempfile.TemporaryDirectory(prefix="sojourn-bench-") as made:
        folder = Path(made)
        # PostgreSQL runs as a user of its own where we are root.
        os.chmod(folder, 0o755)  # noqa: S103
        postgres = await EmbeddedPostgres.start(folder / "postgres")
        try:
            temporal = await EmbeddedTemporal.start(folder / "temporal", ui=False, search_attributes=SEARCH_ATTRIBUTES)
            try:
                client = await connect(temporal.address, NAMESPACE)
                server = PostgresServer(postgres.url)
                await asyncio.to_thread(upgrade, await server.create(MIGRATED, "template1"))
                yield Stack(server, MIGRATED, TemporalServer(temporal.address), client, folder)
            finally:
                await temporal.stop()
        finally:
            await postgres.stop()
