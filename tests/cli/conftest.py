import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
import uvicorn

from api.app import create_app
from settings import Settings
from tests.api.fakes import ADMIN_KEY, SETTINGS, FakeServices
from wiring import Services


@pytest.fixture
def services() -> FakeServices:
    return FakeServices()


@pytest.fixture
def api_url(services: FakeServices) -> Iterator[str]:
    """The real API over HTTP on a free port, with services in memory."""

    @asynccontextmanager
    async def opened(_settings: Settings) -> AsyncIterator[Services]:
        yield cast("Services", services)

    config = uvicorn.Config(
        create_app(SETTINGS, opened), host="127.0.0.1", port=0, ws="none", log_level="error", access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, and an environment that names no deployment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SOJOURN_API_URL", raising=False)
    monkeypatch.delenv("SOJOURN_ADMIN_KEY", raising=False)
    return tmp_path


@pytest.fixture
def deployment(folder: Path, api_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The API, as the environment names it."""
    monkeypatch.setenv("SOJOURN_API_URL", api_url)
    monkeypatch.setenv("SOJOURN_ADMIN_KEY", ADMIN_KEY)
    return api_url
