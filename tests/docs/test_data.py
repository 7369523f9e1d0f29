"""docs/data.md is true: its commands get their answers."""

import re
import shlex
from pathlib import Path
from typing import get_args

import httpx
import pytest

from cli.main import run
from domain.data_plan import paths, seen
from domain.data_plan.declared import DeclaredType
from domain.data_plan.events_document import parse_events
from domain.sending.claim import MessageState
from domain.stream import STREAM_KINDS
from store.violations import MAX_KEPT, VIOLATIONS_KEPT_DAYS
from tests.cli.conftest import Output, api_url, deployment, folder, no_logs
from tests.docs.curl import read_curl
from tests.docs.tables import rows
from tests.harness import ADMIN_KEY, WRITE_KEY

__all__ = ["api_url", "deployment", "folder", "no_logs"]  # fixtures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "data.md").read_text()
LINES = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith(("curl ", "sojourn "))
]
# Run by tests/cli/test_stream.py, since it has no end.
FOLLOWING = [line for line in LINES if "--follow" in line]


def test_the_commands_are_answered_as_they_say(
    deployment: str, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert len(FOLLOWING) == 1
    known = {"URL": deployment, "KEY": ADMIN_KEY, "WRITE_KEY": WRITE_KEY}
    with httpx.Client(trust_env=False) as client:
        for text in LINES:
            if text.startswith("curl "):
                line = read_curl(text, known)
                answer = client.send(line.request)
                assert answer.status_code == line.status, (text, answer.text)
                assert not line.then or answer.json()["code"] == line.then
            elif text not in FOLLOWING:
                assert run(shlex.split(text, comments=True)[1:]) == 0, (text, capsys.readouterr())


def test_the_types_are_those_of_the_stream() -> None:
    told = {row[0].strip("`"): row[1] for row in rows(PAGE, "## Stream")}
    assert list(told) == list(STREAM_KINDS)
    assert set(get_args(MessageState)) <= set(re.findall(r"`(\w+)`", told["message"]))


def test_the_bounds_are_those_of_the_code() -> None:
    assert f"The first {seen.MAX_NAMES} names" in PAGE
    assert f"the first {seen.MAX_PROPERTIES} properties" in PAGE
    assert f"down to {paths.MAX_DEPTH} levels" in PAGE
    assert f"that {seen.PEOPLE_OF_EXAMPLE} people had" in PAGE


def test_the_document_is_the_example() -> None:
    [block] = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    example = (ROOT / "examples" / "events" / "events.yaml").read_text()
    assert block.replace("../schemas", "../../schemas") == example
    assert len(parse_events(example, "events.yaml")) == 6


def test_the_types_of_properties_are_those_of_the_code() -> None:
    assert [row[0].strip("`") for row in rows(PAGE, "## Declared events")] == list(get_args(DeclaredType))
    assert f"{MAX_KEPT:,} of them are kept" in PAGE
    assert f"not occurred for {VIOLATIONS_KEPT_DAYS} days" in PAGE
