"""docs/lifecycle.md is true: its documents are valid, and its commands and calls are made, in its order."""

import asyncio
import re
import shlex
from pathlib import Path

import pytest

from cli.main import run
from domain.campaign.publication import check
from domain.campaign.triggers.kinds import TRIGGERS
from domain.deployed_names import DeployedNames
from domain.people.lifecycle_document import MAX_STAGES, parse_lifecycle
from domain.people.segments.stages import stage_segment
from tests.cli.conftest import Output, api_url, deployment, folder, no_logs
from tests.docs.curl import curl_lines, read_curl
from tests.harness import ADMIN_KEY, Harness

__all__ = ["api_url", "deployment", "folder", "no_logs"]  # fixtures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "lifecycle.md").read_text()
[LIFECYCLE] = re.findall(r"^```yaml lifecycle\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
[CAMPAIGN] = re.findall(r"^```yaml campaign\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


async def test_the_commands_and_the_calls_of_the_page(
    harness: Harness, deployment: str, capsys: Output, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    (tmp_path / "lifecycle.yaml").write_text(LIFECYCLE)
    files = {name: str(tmp_path / name) for name in ("lifecycle.yaml", "flow.svg")}
    shown = {}
    for line in [line for line in PAGE.splitlines() if line.startswith("sojourn ")]:
        words = [files.get(word, word) for word in shlex.split(line, comments=True)[1:]]
        if words[:2] == ["users", "show"]:
            await harness.track("u-1", "Cart Abandoned")
            await harness.track("u-1", "Order Completed")
        assert await asyncio.to_thread(run, words) == 0, (line, capsys.readouterr())
        shown[line] = capsys.readouterr().out
        if words[:2] == ["lifecycle", "apply"]:
            for command in ("flow", "diff"):
                assert await asyncio.to_thread(run, ["lifecycle", command]) == 0
                assert capsys.readouterr().out.splitlines()[1].startswith("No one has moved yet")
    assert (tmp_path / "flow.svg").read_text().startswith("<svg")
    assert "# retention: 0 people" in next(text for line, text in shown.items() if "lifecycle show" in line)
    assert "retention" in shown[next(line for line in shown if "users show" in line)]
    flow = shown["sojourn lifecycle flow --from 2026-11-01 --svg flow.svg"].splitlines()
    [example] = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert flow[1].split()[:6] == example.splitlines()[1].split()[:6]
    assert re.search(r"no one goes reach > acquisition, which is designed", shown[list(shown)[-1]])
    for text in curl_lines(PAGE):
        call = read_curl(text, {"KEY": ADMIN_KEY})
        answer = await harness.http.send(call.request)
        assert answer.status_code == call.status, answer.text
    assert answer.json()["entered"] == {"conversion": 1}


def test_the_documents_are_valid() -> None:
    stages = parse_lifecycle(LIFECYCLE, "lifecycle.yaml")
    names = DeployedNames({}, [stage_segment(stage.key) for stage in stages], stages=stages)
    assert check(CAMPAIGN, "first-order.yaml", {}, names).warnings == []
    assert f"at most {MAX_STAGES}." in PAGE


def test_the_triggers_of_the_table_are_those_of_campaigns() -> None:
    keys = {kind.key for kind in TRIGGERS}
    named = re.findall(r"^\| `(\w+): [^`]*` \|", PAGE, re.MULTILINE)
    assert named == ["stage", "leaves", "changed"]
    assert keys.issuperset(named)
