"""A reader who types the lines of a page in the folder of a running `sojourn dev`."""

import asyncio
import os
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from cli.dev_stack import DevStack
from cli.main import run
from runtime.embedded.inbox import Inbox
from tests.docs.curl import curl_request

Output = pytest.CaptureFixture[str]
DEFAULT_URL = "http://localhost:8080"


class Reader:
    """Types the lines of a page; `folder` is the current one."""

    def __init__(self, stack: DevStack, http: httpx.AsyncClient, folder: Path, output: Output) -> None:
        assert stack.inbox is not None
        self.inbox: Inbox = stack.inbox
        self.folder = folder
        self._stack = stack
        self._http = http
        self._output = output

    async def type(self, line: str) -> str:
        """Do what a shell would; what is printed, or answered."""
        match shlex.split(line, comments=True):
            case ["sojourn", *words]:
                self._output.readouterr()
                status = await asyncio.to_thread(run, words)
                printed = self._output.readouterr()
                assert status == 0, f"{line}\n{printed.out}{printed.err}"
                return printed.out + printed.err
            case ["curl", *_]:
                key = self._stack.settings.write_key.get_secret_value()
                request = curl_request(line.replace(DEFAULT_URL, self._stack.api_url), {"WRITE_KEY": key})
                answer = await self._http.send(request)
                assert answer.json() == {"success": True}, line
                return answer.text
            case ["export", setting] if setting.startswith(("PATH=", "WRITE_KEY=")):
                return ""
        raise AssertionError(f"the page does something else: {line}")


@asynccontextmanager
async def reading(folder: Path, output: Output, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Reader]:
    """A reader for whom `make dev` runs in the folder."""
    for name in [name for name in os.environ if name.startswith("SOJOURN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(folder)
    async with (
        DevStack(folder / ".sojourn", durable=False) as stack,
        httpx.AsyncClient(trust_env=False, timeout=60) as http,
    ):
        yield Reader(stack, http, folder, output)
