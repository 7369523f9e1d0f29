"""`sojourn test --engine`: the scenarios of the examples on a stack of their own, and beside the simulator."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.main import run
from cli.scenario_engine import start_engine
from cli.scenario_files import LoadedScenarios, load_scenarios
from domain.sending.caps import CapRule
from tests.cli.conftest import Output
from tests.domain.campaign.test_examples import EXAMPLES, SCENARIOS
from tests.proofs import IS_LONG
from tests.servers import server_folder


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SOJOURN_") and name != "SOJOURN_PROVE":
            monkeypatch.delenv(name)


@pytest.fixture
def folder() -> Iterator[Path]:
    with server_folder() as made:
        yield Path(made)


@pytest.mark.takes_long
@pytest.mark.parametrize("file", SCENARIOS if IS_LONG else SCENARIOS[:1], ids=lambda file: file.stem)
def test_the_engine_does_as_the_simulator(file: Path, capsys: Output) -> None:
    assert run(["test", str(file), "--engine"]) == 0, capsys.readouterr().out
    assert "failed" not in capsys.readouterr().out


@pytest.mark.takes_long
def test_a_simulator_by_other_rules_is_found_out(folder: Path) -> None:
    async def compare(loaded: LoadedScenarios) -> list[str]:
        [scenario, *_] = loaded.scenarios.scenarios
        async with start_engine(loaded, folder) as engine:
            return await engine.compare(scenario, "cart.test.yaml")

    loaded = load_scenarios(EXAMPLES / "abandoned-cart.test.yaml")
    rulebook = replace(loaded.rulebook, caps=(CapRule("planted", 1, 7 * 86_400),))
    found = asyncio.run(compare(LoadedScenarios(loaded.scenarios, loaded.campaign, loaded.files, rulebook, ())))
    assert any("the engine has {sent: reminder" in one and "the simulator nothing" in one for one in found), found
