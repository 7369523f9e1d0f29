"""The processes of the service and its servers, each of which can be killed and started again as it was."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from typing import Protocol

import httpx
import psycopg

from runtime.embedded.postgres import EmbeddedPostgres
from runtime.embedded.processes import EmbeddedServerError, command_line, read_pid
from runtime.embedded.temporal import EmbeddedTemporal
from settings import Settings
from tests.chaos import launch
from tests.chaos.proxy import Proxy
from tests.forks import Fork, fork_with_log
from tests.processes import environment

LOOK_INTERVAL = 0.1
# A start that fails is tried again after so many seconds.
RETRY_PAUSE = 0.5
STOP_SECONDS = 10.0


class Part(Protocol):
    """One process, or one server with its own."""

    name: str

    def is_alive(self) -> bool: ...

    async def kill(self) -> None:
        """As by `kill -9`."""

    async def start(self) -> None:
        """On its old ports and data. May raise an EmbeddedServerError or an error of psycopg: then once more."""

    async def stop(self) -> None: ...


class Supervisor:
    """Starts again what has ended, as systemd or Docker would. It is the only one who does.

    `rest` keeps it from that for a while; `starts` counts, by the name of the part.
    """

    def __init__(self) -> None:
        self.starts: dict[str, int] = {}
        self._parts: list[Part] = []
        self._resting: dict[str, float] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def add(self, part: Part) -> None:
        self._parts.append(part)
        await part.start()
        self._tasks.append(asyncio.create_task(self._keep(part)))

    async def rest(self, part: Part, seconds: float) -> None:
        """Kill a part, and leave it so for so many seconds."""
        self._resting[part.name] = asyncio.get_running_loop().time() + seconds
        await part.kill()
        await asyncio.sleep(seconds)

    async def stop(self) -> None:
        """Stop all, in the reverse order of their starts; what does not listen is killed."""
        for task in self._tasks:
            task.cancel()
        failures = [
            one for one in await asyncio.gather(*self._tasks, return_exceptions=True) if isinstance(one, Exception)
        ]
        services = [part for part in self._parts if isinstance(part, Service)]
        await asyncio.gather(*(part.stop() for part in services))
        for part in reversed(self._parts):
            if part not in services:
                await part.stop()
        if failures:
            raise ExceptionGroup("the supervisor failed", failures)

    async def _keep(self, part: Part) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not part.is_alive() and loop.time() >= self._resting.get(part.name, 0):
                try:
                    await part.start()
                    self.starts[part.name] = self.starts.get(part.name, 0) + 1
                except (EmbeddedServerError, psycopg.Error):
                    await asyncio.sleep(RETRY_PAUSE)
            await asyncio.sleep(LOOK_INTERVAL)


class Service:
    """`sojourn api` or `sojourn worker`, with its output in a log."""

    def __init__(
        self, name: str, settings: Settings, arguments: list[str], log: Path, variables: Mapping[str, str]
    ) -> None:
        """`variables` are those that tests.chaos.launch reads."""
        self.name = name
        self._settings = settings
        self._arguments = arguments
        self._log = log
        self._variables = variables
        self._process: Fork | None = None

    def is_alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        variables = {**os.environ, **environment(self._settings), **self._variables}
        self._process = fork_with_log(self._log, *self._arguments, variables=variables, launch=launch.main)

    def signal(self, number: Signals) -> None:
        """Does nothing to one that has ended."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def kill(self) -> None:
        if self._process is not None:
            self.signal(SIGKILL)
            await self._process.wait()

    async def stop(self) -> None:
        if self._process is not None:
            self.signal(SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
            except TimeoutError:
                await self.kill()


async def answers(url: str, seconds: float) -> bool:
    """Whether an API is ready within so many seconds."""
    async with httpx.AsyncClient(trust_env=False) as http:
        deadline = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < deadline:
            with suppress(httpx.TransportError):
                if (await http.get(f"{url}/readyz")).is_success:
                    return True
            await asyncio.sleep(LOOK_INTERVAL)
    return False


class Postgres:
    """The embedded server, durable, behind a proxy."""

    name = "postgres"

    def __init__(self, folder: Path) -> None:
        self.proxy = Proxy(0)
        self._folder = folder
        self._server: EmbeddedPostgres | None = None

    @property
    def server(self) -> EmbeddedPostgres:
        if self._server is None:
            raise RuntimeError("PostgreSQL was never started")
        return self._server

    @property
    def url(self) -> str:
        """The way past the proxy."""
        return self.server.url

    @property
    def proxied_url(self) -> str:
        return self.url.replace(f":{self.server.port}/", f":{self.proxy.port}/")

    def is_alive(self) -> bool:
        pid = self._pid()
        return pid is not None and command_line(pid) is not None

    async def start(self) -> None:
        port = None if self._server is None else self._server.port
        if self._server is not None:
            await self._server.stop()
        self._server = await EmbeddedPostgres.start(self._folder, port=port)
        self.proxy.target = self._server.port

    async def kill(self) -> None:
        """With all of its backends at once, as where the machine goes down: none of them has time to tidy up."""
        pid = self._pid()
        if pid is not None:
            for one in (pid, *_children(pid)):
                with suppress(ProcessLookupError):
                    os.kill(one, SIGKILL)
            await self.server.stop()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()

    def _pid(self) -> int | None:
        return read_pid(self.server.password_file.parent / "cluster" / "postmaster.pid")


class Temporal:
    """The embedded server on its database file."""

    name = "temporal"

    def __init__(self, server: EmbeddedTemporal, folder: Path) -> None:
        self.server = server
        self._folder = folder

    def is_alive(self) -> bool:
        pid = read_pid(self._folder / "temporal.pid")
        return pid is not None and command_line(pid) is not None

    async def start(self) -> None:
        if not self.is_alive():
            await self.server.restart()

    async def kill(self) -> None:
        await self.server.kill()

    async def stop(self) -> None:
        await self.server.stop()


def _children(pid: int) -> list[int]:
    """The processes whose parent this one is."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name stands in parentheses and may hold anything; state and parent come behind it.
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found
