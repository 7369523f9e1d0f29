"""docs/rehearsal.md is true: its commands run, and its scenario passes."""

import re
import shlex
import shutil
from pathlib import Path
from typing import get_args

import httpx
import pytest

from api.backtests import BacktestRequest
from cli.main import run
from domain.rehearsal.fidelity import DifferenceCause
from domain.rehearsal.scenarios import ExpectedKind
from tests.api.backtest_desk import running, until
from tests.api.conftest import live, operator
from tests.api.fakes import ADMIN_KEY
from tests.cli.conftest import Output, set_deployment
from tests.docs.curl import curl_lines, read_curl

__all__ = ["live", "operator"]  # fixtures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "rehearsal.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_commands_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str) -> None:
    set_deployment(monkeypatch, database_url)
    monkeypatch.chdir(ROOT)
    shown = [line for block in blocks("sh") for line in block.splitlines() if not line.startswith("curl ")]
    lines = [line.partition("  #")[0].strip() for line in shown]
    assert lines
    for line in lines:
        _, *words = shlex.split(line.replace("/tmp/", f"{tmp_path}/"))  # noqa: S108 -- replaced
        assert run(words) == 0, line


async def test_the_calls_are_made(operator: httpx.AsyncClient, database_url: str) -> None:
    known = {"KEY": ADMIN_KEY}
    for text in curl_lines(PAGE):
        call = read_curl(text, known)
        if call.request.url.path.endswith("/markdown"):
            async with running(database_url):
                await until(operator, known["BACKTEST"], "done")
        answer = await operator.request(
            call.request.method, call.request.url.path, headers=call.request.headers, content=call.request.content
        )
        assert answer.status_code == call.status, answer.text
        if call.status == 202:
            known["BACKTEST"] = answer.json()["id"]


def test_the_table_has_every_member_of_a_request() -> None:
    section = PAGE.partition("### By the API")[2].partition("## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(BacktestRequest.model_fields)


def test_the_scenario_passes(tmp_path: Path, capsys: Output) -> None:
    [scenario] = blocks("yaml")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "examples" / "abandoned-cart.test.yaml").write_text(scenario)
    assert run(["test", str(tmp_path / "examples" / "abandoned-cart.yaml")]) == 0
    assert "  ok  a cart left at night" in capsys.readouterr().out


def test_the_table_has_every_cause() -> None:
    section = PAGE.partition("### By the API")[0]
    assert {*re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)} - {"cause"} == {*get_args(DifferenceCause)}


def test_the_table_has_every_line() -> None:
    assert {*re.findall(r"^\| `(\w+): ", PAGE, re.MULTILINE)} == {*get_args(ExpectedKind)}
