"""The README is true: its commands run, in its order, against real processes, and its links lead somewhere."""

import asyncio
import os
import re
import shlex
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from cli.documents import templates_beside
from domain.campaign.publication import check
from runtime.embedded.inbox import Inbox
from runtime.embedded.ports import free_port
from settings import Settings
from tests import generated
from tests.docs.reader import Output, reading
from tests.forks import Fork, fork
from tests.servers import TemporalServer

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
LINES = [line.split("  #")[0].strip() for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
PROCESSES = ("sojourn migrate", "sojourn api", "sojourn worker")
WRITE_KEY, ADMIN_KEY = generated.WRITE_KEY, generated.ADMIN_KEY


@dataclass
class Deployment:
    """Processes as the README starts them, with their environment."""

    environment: dict[str, str]
    url: str

    async def run(self, line: str) -> str:
        """Run a line with `sojourn`; what it prints."""
        process = await self.start(line)
        output, _ = await process.communicate()
        assert process.returncode == 0, f"{line}\n{output.decode()}"
        return output.decode()

    async def start(self, line: str) -> Fork:
        words = shlex.split(line)
        assert words[0] == "sojourn"
        return await fork(*words[1:], variables=self.environment)


@pytest.fixture
async def deployment(empty_database_url: str, temporal: TemporalServer) -> AsyncIterator[Deployment]:
    inbox = await Inbox.start()
    port = free_port(None)
    environment = {
        **os.environ,
        "COLUMNS": "200",
        "SOJOURN_DATABASE_URL": empty_database_url,
        "SOJOURN_TEMPORAL_ADDRESS": temporal.address,
        "SOJOURN_TEMPORAL_NAMESPACE": temporal.namespace,
        "SOJOURN_TASK_QUEUE": "readme",
        "SOJOURN_WRITE_KEY": WRITE_KEY,
        "SOJOURN_ADMIN_KEY": ADMIN_KEY,
        "SOJOURN_LINK_SECRET": generated.LINK_SECRET,
        "SOJOURN_WEBHOOK_SIGNING_SECRET": generated.SIGNING_SECRET,
        "SOJOURN_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "SOJOURN_SMTP_HOST": "127.0.0.1",
        "SOJOURN_SMTP_PORT": str(inbox.smtp_port),
        "SOJOURN_SMTP_SECURITY": "none",
        "SOJOURN_API_PORT": str(port),
        "SOJOURN_API_URL": f"http://127.0.0.1:{port}",
    }
    yield Deployment(environment, f"http://127.0.0.1:{port}")
    await inbox.stop()


@asynccontextmanager
async def running(deployment: Deployment) -> AsyncIterator[httpx.AsyncClient]:
    """Migrated, with an API and a worker; each must end well when it is told to."""
    assert all(line in LINES for line in PROCESSES)
    await deployment.run("sojourn migrate")
    processes = [await deployment.start(line) for line in PROCESSES[1:]]
    try:
        async with httpx.AsyncClient(base_url=deployment.url) as http:
            for _ in range(1200):
                try:
                    if (await http.get("/readyz")).is_success:
                        break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
            else:
                raise AssertionError("the API is not ready")
            yield http
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            output, _ = await process.communicate()
            # uvicorn shuts down in good order and then ends by the signal itself.
            assert process.returncode in (0, -signal.SIGTERM), output.decode()


@pytest.mark.takes_long
async def test_its_lines_lead_to_a_mail_at_once(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    lines = LINES[LINES.index("make dev") + 1 : LINES.index(PROCESSES[0])]
    async with reading(tmp_path, capsys, monkeypatch) as reader:
        printed = {line: await reader.type(line) for line in lines}
        assert [mail.message["Subject"] for mail in reader.inbox.messages] == ["Hello, your cart is waiting"]
    assert "running" in printed["sojourn campaigns"]
    assert "entered abandoned-cart" in printed["sojourn explain u-1"]
    assert "email cart-nudge sent" in printed["sojourn explain u-1"]


@pytest.mark.takes_long
async def test_the_processes_of_the_readme_run(deployment: Deployment) -> None:
    async with running(deployment) as http:
        answer = await http.post("/v1/track", json={"userId": "u-1", "event": "Signed Up"}, auth=(WRITE_KEY, ""))
        assert answer.json() == {"success": True}


def test_the_campaign_of_the_readme_is_right() -> None:
    [campaign] = [block for kind, block in BLOCKS if kind == "yaml"]
    templates = templates_beside(ROOT / "examples/any.yaml")
    assert check(campaign, "README.md", templates).definition.key == "abandoned-cart"


def test_the_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"`?make ([\w-]+)", README))
    assert {"demo", "test", "dev", "help", "check"} <= targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_the_settings_of_the_readme_exist() -> None:
    named = set(re.findall(r"SOJOURN_([A-Z_]+)", README))
    assert {name.removesuffix("_FILE") for name in named} <= {name.upper() for name in Settings.model_fields}
