"""What was reported and not taken, as the commands show it."""

import json

import httpx
import pytest

from cli.main import run
from tests.cli.conftest import Output
from tests.harness import WRITE_KEY

CALLS = [
    {"type": "identify", "userId": "u1", "messageId": "m1", "traits": {"timezone": "GMT+2", "plan": "pro"}},
    {"type": "trakc", "userId": "u2", "messageId": "m2", "event": "E\u001b[2J"},
    {"type": "track", "userId": "undefined", "messageId": "m3", "event": "E"},
]


@pytest.mark.usefixtures("deployment")
def test_rejects_are_listed_and_explained(api_url: str, capsys: Output) -> None:
    answer = httpx.post(f"{api_url}/v1/batch", json={"batch": CALLS}, auth=(WRITE_KEY, ""), trust_env=False)
    assert [one["index"] for one in answer.json()["rejected"]] == [1, 2]
    assert run(["rejects"]) == 0
    listed = capsys.readouterr().out
    header, *rows = listed.splitlines()
    assert header.split() == ["TIME", "USER", "WHAT", "WHY", "MESSAGE", "ID", "BODY"]
    assert len(rows) >= 3
    assert "\u001b" not in listed
    for words in ("left out", "traits.timezone must be an IANA name", "refused", '"undefined" stands for no id', "m3"):
        assert words in " ".join(listed.split())
    assert run(["rejects", "--user", "u1", "--json"]) == 0
    assert [one["part"] for one in json.loads(capsys.readouterr().out)["rejects"]] == ["traits.timezone"]
    assert run(["rejects", "--outcome", "refused", "--limit", "1", "--json"]) == 0
    assert [one["message_id"] for one in json.loads(capsys.readouterr().out)["rejects"]] == ["m3"]
    assert run(["rejects", "--source", "nobody"]) == 0
    assert len(capsys.readouterr().out.splitlines()) <= 1

    assert run(["explain", "u2"]) == 0
    assert "reject: call refused: type must be one of track" in " ".join(capsys.readouterr().out.split())
    assert run(["explain", "u3"]) == 1
    assert "nothing was ever reported of user u3" in capsys.readouterr().err
