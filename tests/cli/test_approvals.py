"""What waits for another person, as the command line says it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cli.main import run
from tests.cli.conftest import CAMPAIGN, Output, a_campaign, serve_api
from tests.harness import ADMIN_KEY, WRITE_KEY

PEOPLE = 3


@pytest.fixture
def office(database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A deployment where more than one person reached takes two, and the keys of two."""
    with serve_api(database_url, approval_above=1) as url:
        tokens = {}
        with httpx.Client(base_url=url) as http:
            for name in ("Ada", "Bob"):
                body = {"name": name, "scopes": ["operate", "approve"]}
                made = http.post("/v1/keys", json=body, headers={"Authorization": f"Bearer {ADMIN_KEY}"})
                tokens[name] = made.json()["token"]
            calls = [{"type": "track", "userId": f"u{one}", "event": "Cart Abandoned"} for one in range(PEOPLE)]
            assert http.post("/v1/batch", json={"batch": calls}, auth=(WRITE_KEY, "")).is_success
        monkeypatch.setenv("SOJOURN_API_URL", url)
        monkeypatch.setenv("SOJOURN_API_KEY", tokens["Ada"])
        yield tokens


def test_a_start_says_that_it_waits_and_another_person_approves_it(
    office: dict[str, str], folder: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = a_campaign(folder)
    assert run(["apply", str(file)]) == 0
    capsys.readouterr()
    assert run(["start", str(file)]) == 6
    output = capsys.readouterr()
    assert output.out == "abandoned-cart: draft\n"
    said = "to start version 1 waits for another person than Ada: it may reach 3 people"
    assert said in output.err
    [id] = re.findall(r"sojourn approve ([0-9a-f-]{36})", output.err)
    assert run(["campaigns"]) == 0
    assert "draft, waits" in capsys.readouterr().out
    assert run(["campaigns", "abandoned-cart"]) == 0
    assert "Waits" in capsys.readouterr().out
    assert run(["approvals"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["APPROVAL", "CAMPAIGN", "VERSION", "ACTION", "PEOPLE", "STATE", "ASKED"]
    assert row.split()[:7] == [id, "abandoned-cart", "1", "start", "3", "waiting", "Ada,"]
    assert run(["approve", id]) == 1
    assert "another person approves it" in capsys.readouterr().err
    monkeypatch.setenv("SOJOURN_API_KEY", office["Bob"])
    assert run(["approve", id]) == 0
    assert capsys.readouterr().out == "abandoned-cart: approved to start version 1, requested by Ada\n"
    assert run(["approvals"]) == 0
    assert id not in capsys.readouterr().out
    assert run(["approvals", "--all", "--campaign", "abandoned-cart", "--json"]) == 0
    [approved] = json.loads(capsys.readouterr().out)["approvals"]
    assert (approved["state"], approved["decided_by"]) == ("approved", "Bob")
    # Another version of the running campaign.
    file.write_text(CAMPAIGN.format(key="abandoned-cart").replace("30m", "40m"))
    assert run(["plan", str(file)]) == 0
    assert "Approval: this may reach 3 people, more than 1: it waits for another person" in capsys.readouterr().out
    assert run(["apply", str(file)]) == 6
    output = capsys.readouterr()
    assert "abandoned-cart: version 2 published, running" in output.out
    [id] = re.findall(r"sojourn approve ([0-9a-f-]{36})", output.err)
    assert run(["reject", id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "rejected"
