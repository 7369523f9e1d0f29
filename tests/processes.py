"""The processes of a deployment, with the settings of a harness."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from os import environ
from pathlib import Path
from signal import SIGKILL, SIGTERM

from pydantic import SecretStr

from settings import Settings
from settings_sources import OUTBOUND
from tests.forks import Fork, fork

ROOT = Path(__file__).parents[1]


async def sojourn(settings: Settings, *arguments: str) -> tuple[int, str]:
    """Run a command to its end; its status and what it prints."""
    process = await fork(*arguments, variables={**environ, **environment(settings)})
    output, _ = await process.communicate()
    return await process.wait(), output.decode()


@asynccontextmanager
async def worker_process(settings: Settings) -> AsyncIterator[Fork]:
    """A worker in a process of its own, from when it takes tasks (or would, were its build promoted)."""
    process = await fork("worker", variables={**environ, **environment(settings)})
    read = b""
    try:
        while b"worker started" not in (line := await process.stdout.readline()):
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


async def start(
    settings: Settings,
    *arguments: str,
    module: str = "cli.main",
    variables: Mapping[str, str] | None = None,
) -> asyncio.subprocess.Process:
    """Start a process of the service as its operator does."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        cwd=ROOT,
        env={**environ, **environment(settings), **(variables or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


def environment(settings: Settings) -> dict[str, str]:
    """The settings as the variables that a process reads them from; the secrets of webhooks have variables each."""

    def said(value: object) -> str:
        if isinstance(value, tuple):
            return ",".join(map(str, value))
        if isinstance(value, dict):
            return json.dumps(value)
        return value.get_secret_value() if isinstance(value, SecretStr) else str(value)

    variables = {name: said(value) for name, value in settings if value is not None and name != OUTBOUND}
    for name, secret in settings.webhook_secrets.items():
        variables |= {f"secret_{name}": said(secret.value), f"secret_{name}_hosts": said(secret.hosts)}
    return {f"SOJOURN_{name.upper()}": value for name, value in variables.items()}
