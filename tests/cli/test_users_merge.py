"""Two users are made one person, and two again, by the command."""

import json

import httpx
import pytest

from cli.main import run
from tests.cli.conftest import Output
from tests.harness import WRITE_KEY


@pytest.mark.usefixtures("deployment")
def test_a_merge_and_its_undo(api_url: str, capsys: Output) -> None:
    calls = [{"type": "identify", "userId": user, "traits": {"plan": user}} for user in ("u1", "a/b")]
    answer = httpx.post(f"{api_url}/v1/batch", json={"batch": calls}, auth=(WRITE_KEY, ""), trust_env=False)
    assert answer.status_code == 200
    assert run(["users", "merge", "u1", "--from", "a/b"]) == 0
    assert capsys.readouterr().out == "a/b was merged into u1; --undo separates them again\n"
    assert run(["users", "merge", "u1", "--from", "a/b"]) == 1
    assert "u1 and a/b are one person already" in capsys.readouterr().err
    assert run(["users", "merge", "u1", "--from", "a/b", "--undo", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"source": "a/b", "target": "u1", "not_resumed": []}
    assert run(["users", "merge", "u1", "--from", "a/b", "--undo"]) == 1
    assert "a/b was not merged into u1" in capsys.readouterr().err
