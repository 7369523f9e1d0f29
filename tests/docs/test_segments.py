"""docs/segments.md is true: its documents are valid together, its commands run, and its routes are there."""

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from application import segment_previews, segment_sample
from cli.main import run
from domain.campaign.publication import check
from domain.conditions.expressions import ExpressionScope, check_names
from domain.deployed_names import DeployedNames
from domain.people import segment_document
from domain.people.profile_state import Source
from domain.people.segment_document import SegmentSource, check_segments
from domain.people.segments import estimate
from domain.people.segments.causes import definition_cause, describe_change, event_cause, source_cause, time_cause
from domain.people.segments.definition import SegmentDefinition, SegmentRule
from domain.people.segments.explanation import FlippedPart
from tests.api.fakes import SETTINGS
from tests.cli.conftest import Output, api_url, deployment, folder, no_logs
from tests.docs.tables import rows
from tests.engine.computed_harness import event
from tests.harness import WRITE_KEY

__all__ = ["api_url", "deployment", "folder", "no_logs"]  # fixtures

PAGE = (Path(__file__).parents[2] / "docs" / "segments.md").read_text()
SEGMENTS = re.findall(r"^```yaml segment\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
CAMPAIGNS = re.findall(r"^```yaml campaign\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
NAMES = DeployedNames(
    {
        "orders": "int",
        "orders_30d": "int",
        "active_14d": "bool",
        "last_order_at": "timestamp",
        "order_rhythm": "double",
    },
    ["lapsing-buyers", "staff"],
    topics=["newsletter"],
)
TRAITS = "computed:\n  orders: {count: Order Completed}\n  active_14d: {any: '*', within: 14d}\n"
LINES = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


def test_the_documents_are_valid_together() -> None:
    sources = [SegmentSource(text, f"{number}.yaml") for number, text in enumerate(SEGMENTS)]
    checked = check_segments(sources, NAMES, {})
    assert [(one.key, list(one.warnings)) for one in checked] == [("lapsing-buyers", []), ("staff", [])]


def test_the_campaigns_are_valid() -> None:
    keys = [check(text, "campaign.yaml", {}, NAMES).definition.key for text in CAMPAIGNS]
    assert keys == ["win-back", "letter"]


def test_the_conditions_are_valid() -> None:
    written = [text for _, cell in rows(PAGE, "## Conditions") for text in re.findall(r"`([^`]+)`", cell)]
    conditions = [text for text in written if text != "within"]
    assert len(conditions) > 12
    for text in conditions:
        check_names(text, ExpressionScope.SEGMENT_WHERE, NAMES)


def test_the_commands_run(folder: Path, deployment: str, capsys: Output) -> None:
    (folder / "segments").mkdir()
    for number, text in enumerate(SEGMENTS):
        (folder / "segments" / f"{number}.yaml").write_text(text)
    (folder / "computed.yaml").write_text(TRAITS)
    assert run(["computed", "apply", "computed.yaml"]) == 0
    call = {"userId": "ada", "traits": {"email": "ada@shop.example"}}
    reported = False
    assert len(LINES) > 8
    for line in LINES:
        if "preview" in line and not reported:
            answer = httpx.post(f"{deployment}/v1/identify", json=call, auth=(WRITE_KEY, ""), trust_env=False)
            assert answer.is_success
            reported = True
        assert run(shlex.split(line)[1:]) == 0, (line, capsys.readouterr())
    assert (folder / "staff.csv").read_text().splitlines()[1].split(",")[1] == "ada"


def test_the_causes_are_in_the_words_of_the_code() -> None:
    at = datetime(2026, 11, 22, 14, 3, 11, tzinfo=UTC)
    definition = SegmentDefinition(1, "lapsing-buyers", 3, SegmentRule("true"), 1, at)
    causes = [
        (True, time_cause(at, [FlippedPart("profile.computed.active_14d", False)])),
        (False, event_cause(event("Order Completed", at=at))),
        (False, definition_cause(definition)),
        (
            True,
            definition_cause(SegmentDefinition(1, "rfm.new", 3, SegmentRule("true", scored_on="2026-12-02"), 1, at)),
        ),
        (True, source_cause(Source("operator", "ada", at, "ada"))),
        (False, source_cause(Source("address", "", at))),
    ]
    said = [words for _, words in rows(PAGE, "## Why a person is in it")]
    assert said == [describe_change("lapsing-buyers", has_joined, cause) for has_joined, cause in causes]


def test_the_routes_are_there_with_their_scopes() -> None:
    paths = create_app(SETTINGS).openapi()["paths"]
    told = rows(PAGE, "## Members")
    assert len(told) > 7
    for route, scope, _ in told:
        method, path = route.strip("`").split()
        assert paths[path][method.lower()]["x-scope"] == scope, route


@pytest.mark.parametrize(
    "said",
    [
        f"at most {segment_document.MAX_SEGMENTS} segments",
        f"from up to {segment_sample.SAMPLE:,} people drawn at random",
        f"evaluates the condition for them for {segment_previews.MAX_SECONDS:g} s at most",
        f"With fewer than {estimate.MIN_MATCHES} matches",
        estimate.estimate_number(0, 20_000, 1_000_000).summary,
    ],
)
def test_the_bounds_are_those_of_the_code(said: str) -> None:
    assert said in " ".join(PAGE.split())
