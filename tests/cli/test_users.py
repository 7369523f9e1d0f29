"""People, as the commands show, find, change and import them."""

import json

import httpx
import pytest

from api.dependencies import EXAMPLE
from api.person_models import User
from cli.main import run
from cli.output import print_masked
from cli.users.show import print_person
from tests.cli.conftest import Output
from tests.harness import WRITE_KEY


@pytest.mark.usefixtures("deployment")
def test_a_person_is_shown_found_and_changed(api_url: str, capsys: Output) -> None:
    traits = {"email": "Ada@Example.com", "plan": "free", "seats": 3, "old\u001b[2J": "x"}
    call = {"userId": "u 1/a", "anonymousId": "a-1", "traits": traits}
    assert httpx.post(f"{api_url}/v1/identify", json=call, auth=(WRITE_KEY, ""), trust_env=False).is_success
    values = ["plan=pro", "seats=4", 'zip="53111"', "city=Rome"]
    others = [
        "--consent",
        "email=no",
        "--consent",
        "news.email=yes",
        "--consent",
        "topics.offers.email=no",
        "--suppress",
        "webhook=off",
        "--unset",
        "old\u001b[2J",
    ]
    assert run(["users", "set", "u 1/a", *values, *others]) == 0
    shown = capsys.readouterr().out
    assert run(["users", "show", "a-1", "--kind", "anonymous"]) == 0
    assert capsys.readouterr().out == shown
    lines = [line.split() for line in shown.splitlines() if line]
    assert ["user", "u", "1/a"] in lines
    assert ["ids", "anonymous", "a-1"] in lines
    rows = {line[0]: line for line in lines}
    assert (rows["plan"][1], rows["plan"][-2:]) == ("pro", ["operator", "SOJOURN_ADMIN_KEY"])
    assert (rows["zip"][1], rows["city"][1], rows["seats"][1]) == ("53111", "Rome", "4")
    assert rows["email"][-2:] == ["operator", "SOJOURN_ADMIN_KEY"]
    assert "no_consent: the profile refuses email" in shown
    assert "\u001b" not in shown
    assert ["news", "email", "confirmed", "no"] in [line[:4] for line in lines]
    assert ["offers", "email", "unsubscribed", "no"] in [line[:4] for line in lines]
    assert run(["users", "find", "--address", "ada@example.com", "--trait", "seats=4", "--json"]) == 0
    [found] = json.loads(capsys.readouterr().out)["users"]
    assert found["user_id"] == "u 1/a"
    assert run(["users", "find", "--trait", "seats=3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    for wrong in (["find", "--trait", "seats"], ["set", "u 1/a", "plan"], ["set", "u 1/a", "--consent", "email=maybe"]):
        assert run(["users", *wrong]) == 2
    assert run(["users", "set", "u 1/a", "timezone=GMT+2"]) == 1
    assert "must be an IANA name" in capsys.readouterr().err


@pytest.mark.usefixtures("deployment")
def test_what_is_masked_is_said_with_its_remedy(api_url: str, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    traits = {"email": "ada@example.com", "city": "Rome"}
    refused = {"type": "track", "userId": "u-1", "properties": {"city": "Rome"}}
    batch = [{"type": "identify", "userId": "u-1", "anonymousId": "a-1", "traits": traits}, refused]
    assert httpx.post(f"{api_url}/v1/batch", json={"batch": batch}, auth=(WRITE_KEY, ""), trust_env=False).is_success
    commands = (["users", "show", "u-1"], ["users", "find", "--id", "u-1"], ["explain", "u-1"], ["rejects"])
    for command in commands:
        assert run(command) == 0
    shown = capsys.readouterr()
    assert ("Rome" in shown.out, "ada@" in shown.out, shown.err) == (True, True, "")
    assert run(["keys", "create", "--name", "dashboard", "--scope", "read"]) == 0
    monkeypatch.setenv("SOJOURN_API_KEY", capsys.readouterr().out.splitlines()[-1])
    for command in commands:
        print_masked.cache_clear()
        assert run(command) == 0
        masked = capsys.readouterr()
        assert ("u-1" in masked.out or command == ["explain", "u-1"], "scope people" in masked.err) == (True, True)
        assert "Rome" not in masked.out
        assert "ada@" not in masked.out
    assert run(["users", "find", "--address", "ada@example.com"]) == 1
    assert "scope people" in capsys.readouterr().err


def test_what_a_profile_has_learned_is_shown(capsys: Output) -> None:
    print_person(json.loads(User.model_json_schema()[EXAMPLE]))
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for line in (
        "sessions 12",
        "country DE",
        "first referrer https://search.example/",
        "first campaign source newsletter, name may",
        "pages Cart 7",
        "features Product Added 9",
    ):
        assert line in shown
    [device] = [line for line in shown if line.startswith("7e6bd0a1")]
    assert "ios Shop 4.2.0 iOS 19.1 2026-11-22" in device
