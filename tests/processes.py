"""The processes of a deployment, started as its operator starts them, with the settings of a rig."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from os import environ
from pathlib import Path
from signal import SIGKILL, SIGTERM

from pydantic import SecretStr

from settings import Settings

ROOT = Path(__file__).parents[1]


async def sojourn(settings: Settings, *arguments: str) -> tuple[int, str]:
    """Run a command to its end; its status and what it prints."""
    process = await _start(settings, arguments)
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@asynccontextmanager
async def worker_process(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker in a process of its own, from when it takes tasks (or would, were its build promoted)."""
    process = await _start(settings, ["worker"])
    assert process.stdout is not None
    read = b""
    try:
        while b"worker runs" not in (line := await process.stdout.readline()):
            read += line
            assert line, read.decode()
        reading = asyncio.create_task(process.stdout.read())
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(SIGTERM)
        await process.wait()
    output = (await reading).decode()
    assert process.returncode in (0, -SIGKILL), output


async def _start(settings: Settings, arguments: list[str] | tuple[str, ...]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", *arguments),
        cwd=ROOT,
        env={**environ, **environment(settings)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


def environment(settings: Settings) -> dict[str, str]:
    """The settings as the variables that a process reads them from."""

    def said(value: object) -> str:
        return value.get_secret_value() if isinstance(value, SecretStr) else str(value)

    return {f"SOJOURN_{name.upper()}": said(value) for name, value in settings if value is not None}
