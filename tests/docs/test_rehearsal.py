"""docs/rehearsal.md is true: its commands run, and its scenario passes."""

import re
import shlex
import shutil
from pathlib import Path
from typing import get_args

import pytest

from cli.main import run
from domain.rehearsal.fidelity import DifferenceCause
from domain.rehearsal.scenarios import ExpectedKind
from tests.cli.conftest import Output, set_deployment

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "rehearsal.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_commands_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str) -> None:
    set_deployment(monkeypatch, database_url)
    monkeypatch.chdir(ROOT)
    lines = [line.partition("  #")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    assert lines
    for line in lines:
        _, *words = shlex.split(line.replace("/tmp/", f"{tmp_path}/"))  # noqa: S108 -- replaced
        assert run(words) == 0, line


def test_the_scenario_passes(tmp_path: Path, capsys: Output) -> None:
    [scenario] = blocks("yaml")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "examples" / "abandoned-cart.test.yaml").write_text(scenario)
    assert run(["test", str(tmp_path / "examples" / "abandoned-cart.yaml")]) == 0
    assert "  ok  a cart left at night" in capsys.readouterr().out


def test_the_table_has_every_cause() -> None:
    assert {*re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)} - {"cause"} == {*get_args(DifferenceCause)}


def test_the_table_has_every_line() -> None:
    assert {*re.findall(r"^\| `(\w+): ", PAGE, re.MULTILINE)} == {*get_args(ExpectedKind)}
