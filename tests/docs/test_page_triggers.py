"""docs/page-triggers.md is true: its document is valid, its commands run, and its tables are those of the code."""

import asyncio
import re
import shlex
from pathlib import Path
from typing import get_args

import pytest

from api.client.settings import MAX_AGE_SECONDS
from cli.main import run
from domain.tracking import page_triggers_document, url_globs
from domain.tracking.page_triggers import PageTriggerKind
from domain.tracking.page_triggers_document import parse_page_triggers
from tests.cli.conftest import Output, api_url, deployment, folder, no_logs
from tests.harness import Harness

__all__ = ["api_url", "deployment", "folder", "no_logs"]  # fixtures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "page-triggers.md").read_text()


async def test_the_commands_run(
    harness: Harness, deployment: str, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    for line in [line for line in PAGE.splitlines() if line.startswith("sojourn ")]:
        assert await asyncio.to_thread(run, shlex.split(line)[1:]) == 0, (line, capsys.readouterr())
    assert len((await harness.admin("GET", "/v1/page-triggers"))["rules"]) == 5


def test_the_document_is_valid_and_the_kinds_are_those_of_the_code() -> None:
    [text] = re.findall(r"^```yaml page-triggers\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert [one.name for one in parse_page_triggers(text, "a.yaml")] == ["pricing-hover", "article-read", "export-used"]
    assert re.findall(r"^\| `(\w+)` \| [a-z ]+ [^|]*\|[^|]*\|$", PAGE, re.MULTILINE) == list(get_args(PageTriggerKind))


def test_the_bounds_are_those_of_the_code() -> None:
    assert dict(re.findall(r"^\| ([a-z ]+) \| ([\d,]+) \|$", PAGE, re.MULTILINE)) == {
        "triggers": f"{page_triggers_document.MAX_PAGE_TRIGGERS}",
        "patterns of a trigger": f"{url_globs.MAX_GLOBS}",
        "properties of a trigger": f"{page_triggers_document.MAX_PROPERTIES}",
        "seconds": f"{page_triggers_document.MAX_SECONDS:,}",
    }
    assert f"keeps the answer for {MAX_AGE_SECONDS} seconds" in PAGE
