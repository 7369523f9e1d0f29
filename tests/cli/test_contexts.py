"""Contexts as the commands take them, show them and complete them."""

import json
import os
import re
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from cli.main import run
from tests.cli.conftest import Output, a_campaign
from tests.forks import run_in_folder
from tests.harness import ADMIN_KEY


@pytest.fixture
def contexts(folder: Path, api_url: str) -> Path:
    """A config file with three contexts, the second of which is the default; no key may be shown."""
    file = folder / "config" / "sojourn" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(
        f"""
        default_context = "here"
        [contexts.away]
        url = "http://127.0.0.1:1"
        key = "key-of-away"
        [contexts.here]
        url = "{api_url}"
        key = "{ADMIN_KEY}"
        [contexts.asking]
        url = "{api_url}"
        key_command = "touch {folder}/asked"
        """
    )
    file.chmod(0o600)
    return file


def test_the_default_profile_is_taken_and_another_can_be(contexts: Path, capsys: Output) -> None:
    assert run(["campaigns"]) == 0
    assert run(["--context", "away", "campaigns"]) == 3
    assert run(["--context", "gone", "campaigns"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"sojourn: there is no context gone in {contexts}; there are away, here, asking, dev"
    )


def test_what_is_in_force_is_marked(
    contexts: Path, api_url: str, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    assert run(["contexts"]) == 0
    shown = capsys.readouterr().out
    assert [re.split(r"  +", line.strip()) for line in shown.splitlines()] == [
        ["CONTEXT", "URL", "KEY"],
        ["away", "http://127.0.0.1:1", "in the file"],
        ["*", "here", api_url, "in the file"],
        ["asking", api_url, "by command"],
    ]
    assert run(["--context", "away", "contexts", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["contexts"]
    assert [each["name"] for each in listed if each["in_force"]] == ["away"]
    monkeypatch.setenv("SOJOURN_API_URL", "https://sojourn.example.com")
    assert run(["contexts"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.split() == ["*", "SOJOURN_API_URL", "https://sojourn.example.com", "of", "the", "environment"]
    assert ADMIN_KEY not in shown + str(listed)


COMPLETED = {
    "pause aban": ["abandoned-cart"],
    "journeys exit --campaign ": ["abandoned-cart", "welcome"],
    "pause abandoned-cart w": ["welcome"],
    "--context away pause aban": [],
    "--context asking pause aban": [],
    "--context a": ["away", "asking"],
    "arch": ["archive"],
}


@pytest.mark.usefixtures("contexts")
def test_the_shell_completes(folder: Path) -> None:
    assert run(["apply", *(str(a_campaign(folder, key)) for key in ("abandoned-cart", "welcome"))]) == 0
    for words, completed in COMPLETED.items():
        ended = _completion(folder, f"sojourn {words}")
        assert ended.stdout.split() == completed, words
        assert ended.stderr == ""
    assert not (folder / "asked").exists()


def _completion(folder: Path, line: str) -> CompletedProcess[str]:
    """What bash asks for at the end of a line."""
    number = len(line.split(" ")) - 1
    environment = {"_SOJOURN_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(number)}
    return run_in_folder(folder, variables={**os.environ, **environment})
