"""Processes of the service that start within milliseconds: forks of one that has imported everything.

An interpreter that imports a worker or an API takes 1.3 to 1.7 s of processor time, and a command 0.5 s, which the
tests would spend a hundred times. What a start of `sojourn` itself shows, tests/processes.py `start` shows.
"""

import asyncio
import fcntl
import gc
import multiprocessing
import os
import signal
import sys
import tempfile
import termios
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from subprocess import CompletedProcess

from cli.main import main

_ROOT = Path(__file__).parents[1]

_context = multiprocessing.get_context("forkserver")
# What `sojourn api` and `sojourn worker` import, in part only once they serve.
_SERVING = ["cli.main", "api.app", "api.server", "worker", "store.migrate", "runtime.deployments", "runtime.lmtp"]
_UVICORN = ["uvicorn.lifespan.on", "uvicorn.loops.auto", "uvicorn.protocols.http.auto"]
_context.set_forkserver_preload(["tests.imports", *_SERVING, "runtime.instrumented_process", *_UVICORN])


class Fork:
    """A running process, used like an `asyncio.subprocess.Process`."""

    def __init__(self, process: ForkServerProcess, stdout: asyncio.StreamReader) -> None:
        self._process = process
        self._has_ended = asyncio.Event()
        self.stdout = stdout
        asyncio.get_running_loop().add_reader(process.sentinel, self._end)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    async def wait(self) -> int:
        await self._has_ended.wait()
        assert self._process.exitcode is not None
        return self._process.exitcode

    async def communicate(self) -> tuple[bytes, None]:
        output = await self.stdout.read()
        await self.wait()
        return output, None

    def send_signal(self, signal: Signals) -> None:
        if self.returncode is None:
            os.kill(self.pid, signal)

    def terminate(self) -> None:
        self.send_signal(SIGTERM)

    def kill(self) -> None:
        self.send_signal(SIGKILL)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._has_ended.set()


def fork_with_log(
    log: Path, *arguments: str, variables: Mapping[str, str], launch: Callable[[], object] = main
) -> Fork:
    """Start `sojourn ARGUMENTS` in a session of its own, with what it writes appended to a file.

    `launch` is what the process runs, and can be pickled. Ctrl-C in the terminal does not reach the process. No
    task can be cancelled between the start and the return, which would leave a process without an owner.
    """
    with log.open("ab") as output:
        files = {1: output.fileno(), 2: output.fileno()}
        process = _start(arguments, variables, _ROOT, files, launch, is_own_session=True)
    stdout = asyncio.StreamReader()
    stdout.feed_eof()
    return Fork(process, stdout)


async def fork(*arguments: str, variables: Mapping[str, str]) -> Fork:
    """Start `sojourn ARGUMENTS` with this environment; what it writes, errors included, is its `stdout`."""
    reader, writer = _context.Pipe(duplex=False)
    process = await asyncio.to_thread(_start, arguments, variables, _ROOT, {1: writer.fileno(), 2: writer.fileno()})
    writer.close()
    # However much it is, it waits for nobody to read it.
    stdout = asyncio.StreamReader(limit=2**30)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stdout), os.fdopen(os.dup(reader.fileno()), "rb", 0)
    )
    reader.close()
    return Fork(process, stdout)


def run_in_folder(folder: Path, *arguments: str, variables: Mapping[str, str]) -> CompletedProcess[str]:
    """Run `sojourn ARGUMENTS` to its end; what it prints."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = _start(arguments, variables, folder, {1: output.fileno(), 2: errors.fileno()})
        process.join()
        assert process.exitcode is not None
        for file in (output, errors):
            file.seek(0)
        return CompletedProcess(arguments, process.exitcode, output.read(), errors.read())


def fork_at_terminal(terminal: int, *arguments: str, variables: Mapping[str, str]) -> ForkServerProcess:
    """Start `sojourn ARGUMENTS` in the foreground of a terminal, as its shell does."""
    return _start(arguments, variables, _ROOT, dict.fromkeys((0, 1, 2), terminal))


def _start(
    arguments: Sequence[str],
    variables: Mapping[str, str],
    folder: Path,
    files: Mapping[int, int],
    launch: Callable[[], object] = main,
    *,
    is_own_session: bool = False,
) -> ForkServerProcess:
    """Start a fork with these files at its own numbers. The first one waits until everything is imported."""
    # As a connection a file can be handed over.
    handed = {number: Connection(os.dup(file)) for number, file in files.items()}
    process = _context.Process(
        target=_become, args=(tuple(arguments), dict(variables), folder, handed, launch, is_own_session), daemon=True
    )
    process.start()
    return process


def _become(
    arguments: Sequence[str],
    variables: Mapping[str, str],
    folder: Path,
    files: Mapping[int, Connection],
    launch: Callable[[], object],
    is_own_session: bool,
) -> None:
    """Be the process of this command."""
    gc.freeze()
    gc.enable()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    for number, file in files.items():
        os.dup2(file.fileno(), number)
        file.close()
    if is_own_session or 0 in files:
        os.setsid()
    if 0 in files:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 as long as the process
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[1:] = arguments
    launch()
