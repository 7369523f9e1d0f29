"""docs/rfm.md is true: its documents are valid, its commands and calls are made, and its table is that of the code."""

import asyncio
import re
import shlex
from pathlib import Path

import pytest

from api.app import create_app
from cli.insights import backtest
from cli.main import run
from domain.campaign.publication import check
from domain.deployed_names import DeployedNames
from domain.people.rfm.scores import MIN_BUYERS, MIN_DISTINCT
from domain.people.rfm.segments import SEGMENTS, segment_of
from domain.people.rfm_document import RfmModel, parse_rfm
from domain.people.segments.causes import describe_cause
from tests.api.fakes import SETTINGS
from tests.cli.conftest import Output, api_url, deployment, folder, no_logs
from tests.docs.curl import curl_lines, read_curl
from tests.docs.tables import rows
from tests.harness import ADMIN_KEY, Harness

__all__ = ["api_url", "deployment", "folder", "no_logs"]  # fixtures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "rfm.md").read_text()
[RFM] = re.findall(r"^```yaml rfm\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
[CAMPAIGN] = re.findall(r"^```yaml campaign\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


async def test_the_commands_and_the_calls_of_the_page(
    harness: Harness, deployment: str, capsys: Output, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    (tmp_path / "rfm.yaml").write_text(RFM)
    for number in range(MIN_BUYERS):
        for _ in range(1 + number % 3):
            await harness.track(f"u-{number}", "Order Completed", {"value": number})
    shown = {}
    for line in [line for line in PAGE.splitlines() if line.startswith("sojourn ")]:
        words = [str(tmp_path / word) if word == "rfm.yaml" else word for word in shlex.split(line, comments=True)[1:]]
        # A hundred orders are too few for a model.
        status = 1 if words[:2] == ["rfm", "value"] else 0
        assert await asyncio.to_thread(run, words) == status, (line, capsys.readouterr())
        shown[" ".join(words[:2])] = capsys.readouterr().out
    assert "not enough history" in shown["rfm value"]
    assert shown["rfm recompute"].endswith(f"(buyers {MIN_BUYERS})\n")
    assert await asyncio.to_thread(run, ["rfm", "scores"]) == 0
    assert capsys.readouterr().out == "No scores: recency has 1 different values: scores need 3\n"
    for text in curl_lines(PAGE):
        call = read_curl(text, {"KEY": ADMIN_KEY})
        answer = await harness.http.send(call.request)
        assert answer.status_code == call.status, answer.text


def test_the_documents_are_valid() -> None:
    [rule] = parse_rfm(RFM, "rfm.yaml")
    assert rule.timezone == "Europe/Berlin"
    names = DeployedNames({}, [segment.key for segment in SEGMENTS])
    assert check(CAMPAIGN, "win-back-regulars.yaml", {}, names).warnings == []
    keys = [row[0].strip("`") for row in rows(f"\n{PAGE}", "# RFM")]
    assert keys == list(RfmModel.model_fields)


def test_the_grid_is_that_of_the_code() -> None:
    grid = rows(PAGE, "## Segments")[:5]
    for recency, *names in grid:
        assert names == [segment_of(int(recency), frequency).name for frequency in range(1, 6)]
    assert f"Fewer than {MIN_BUYERS} buyers, or fewer than {MIN_DISTINCT} different values" in PAGE
    assert f"`{describe_cause({'kind': 'breakpoints', 'day': '2026-12-02'})}`" in PAGE


def test_the_bounds_of_the_test_are_those_of_the_code() -> None:
    page = " ".join(PAGE.split())
    for said in (
        f"where they have fewer than {backtest.MIN_GROUP_ORDERS}, and in each at most {backtest.MAX_DEVIATION:.0%}",
        f"fewer than {backtest.MIN_GROUP_ORDERS} buyers have repeated, or fewer than {backtest.MIN_GROUPS} groups",
        f"vary by less than {backtest.MIN_VARIATION:.0%} of their mean",
    ):
        assert said.replace("%", " %") in page


def test_the_routes_are_there_with_their_scopes() -> None:
    paths = create_app(SETTINGS).openapi()["paths"]
    told = rows(PAGE, "## API")
    assert len(told) == 8
    for route, scope, _ in told:
        method, path = route.strip("`").split()
        found = next(one for known, one in paths.items() if known.replace("{user_id}", "{id}") == path)
        assert found[method.lower()]["x-scope"] == scope, route
