"""The commands against the real API, over HTTP and a real PostgreSQL."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
import uvicorn

from api.app import create_app
from cli.main import run
from settings import Settings
from tests.generated import LINK_SECRET, SIGNING_SECRET
from tests.harness import ADMIN_KEY, WRITE_KEY

Output = pytest.CaptureFixture[str]

CAMPAIGN = """\
key: {key}
name: Abandoned cart
entry: {{event: Cart Abandoned}}
steps:
  - {{id: cool-off, delay: 30m}}
"""


@pytest.fixture(autouse=True)
def no_logs() -> Iterator[None]:
    """The worker of the tests shares the output of the commands."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.fixture
def api_url(database_url: str) -> Iterator[str]:
    """The real API on a free port."""
    with serve_api(database_url) as url:
        yield url


def set_deployment(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    """An environment with the settings of a deployment, whose servers are never asked."""
    for name, value in {
        "DATABASE_URL": database_url,
        "WRITE_KEY": WRITE_KEY,
        "ADMIN_KEY": ADMIN_KEY,
        "LINK_SECRET": LINK_SECRET,
        "WEBHOOK_SIGNING_SECRET": SIGNING_SECRET,
    }.items():
        monkeypatch.setenv(f"SOJOURN_{name}", value)


@contextmanager
def serve_api(database_url: str, **more: Any) -> Iterator[str]:
    """Serve the real API on a free port; `more` are settings."""
    settings = Settings.model_validate(
        {
            "database_url": database_url,
            "write_key": WRITE_KEY,
            "admin_key": ADMIN_KEY,
            "link_secret": LINK_SECRET,
            "webhook_signing_secret": SIGNING_SECRET,
            **more,
        }
    )
    config = uvicorn.Config(
        create_app(settings), host="127.0.0.1", port=0, ws="none", log_level="error", access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory and an empty home, and an environment that names no deployment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("SOJOURN_API_URL", "SOJOURN_API_KEY", "SOJOURN_ADMIN_KEY", "SOJOURN_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def deployment(folder: Path, api_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The API, as the environment names it."""
    monkeypatch.setenv("SOJOURN_API_URL", api_url)
    monkeypatch.setenv("SOJOURN_API_KEY", ADMIN_KEY)
    return api_url


@pytest.fixture
def nowhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment that is named and not there: for what is refused before it is asked."""
    monkeypatch.setenv("SOJOURN_API_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("SOJOURN_API_KEY", ADMIN_KEY)


def a_campaign(folder: Path, key: str = "abandoned-cart", text: str | None = None) -> Path:
    file = folder / f"{key}.yaml"
    file.write_text(CAMPAIGN.format(key=key) if text is None else text)
    return file


@pytest.fixture
def running(deployment: str, folder: Path, capsys: Output) -> Path:
    """The file of a campaign that was applied and started."""
    file = a_campaign(folder)
    assert run(["apply", str(file)]) == 0
    assert run(["start", str(file)]) == 0
    capsys.readouterr()
    return file
