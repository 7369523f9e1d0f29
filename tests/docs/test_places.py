"""docs/places.md is true: its documents are valid, its commands run, and its bounds are those of the code."""

import asyncio
import re
import shlex
from pathlib import Path

import pytest

from cli.main import run
from domain.deployed_names import DeployedNames
from domain.people import places_document
from domain.people.places import deployed
from domain.people.places_document import parse_places
from domain.people.segment_document import SegmentSource, check_segments
from tests.cli.conftest import Output, api_url, deployment, folder, no_logs
from tests.harness import Harness

__all__ = ["api_url", "deployment", "folder", "no_logs"]  # fixtures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "places.md").read_text()


def blocks(kind: str) -> list[str]:
    return [str(text) for text in re.findall(rf"^```yaml {kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]


def block(kind: str) -> str:
    [text] = blocks(kind)
    return text


async def test_the_commands_run_and_the_campaigns_start(
    harness: Harness, deployment: str, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    for line in [line for line in PAGE.splitlines() if line.startswith("sojourn ")]:
        assert await asyncio.to_thread(run, shlex.split(line)[1:]) == 0, (line, capsys.readouterr())
    await harness.admin("PUT", "/v1/segments/in-storm-12", {"source": block("segment"), "file": "in-storm-12.yaml"})
    welcome, warning = blocks("campaign")
    await harness.identify("u0", email="u0@example.com", latitude=53.6, longitude=10)
    await harness.run_campaign(welcome.replace("template: welcome", "template: note"))
    await harness.run_campaign(warning.replace("template: warning", "template: note"))
    await harness.identify("u1", email="u1@example.com", latitude=53.5438, longitude=9.9666)
    await harness.until("SELECT FROM journeys WHERE campaign_key = 'welcome-at-the-shop'")
    await harness.until("SELECT FROM journeys WHERE campaign_key = 'storm-warning' HAVING count(*) = 2")


def test_the_documents_are_valid() -> None:
    shop, storm, _ = parse_places(block("places"), "places.yaml")
    assert (shop.kind, storm.kind) == ("place", "area")
    names = DeployedNames({}, (), ["storm-12"])
    [segment] = check_segments([SegmentSource(block("segment"), "in-storm-12.yaml")], names, {})
    assert segment.key == "in-storm-12"


def test_the_bounds_are_those_of_the_code() -> None:
    bounds = {
        "places": f"{places_document.MAX_PLACES:,}",
        "areas": f"{places_document.MAX_AREAS}",
        "vertices of a polygon": f"{places_document.MAX_VERTICES:,}",
        "tags of a place": f"{places_document.MAX_TAGS}",
        "radius": f"{places_document.MAX_RADIUS:,} m",
    }
    assert dict(re.findall(r"^\| ([a-z ]+) \| ([\d,]+(?: m)?) \|$", PAGE, re.MULTILINE)) == bounds
    assert f"{deployed.MOVED_METRES:.0f} m from the one before" in PAGE
    assert f"or {deployed.REFRESH // 60_000_000} minutes later" in PAGE
    assert f"{deployed.SLACK - 1:.0%}".replace("%", " %") in PAGE
