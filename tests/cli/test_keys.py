"""Keys and what was done with them."""

import json
import re
import shlex
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from cli.main import run
from domain.people.profile_state import MAX_CLAIMS
from domain.tracking.user_token import MAX_LIFETIME, VerifiedUser, verify_user_token
from tests.cli.conftest import Output

pytestmark = pytest.mark.usefixtures("deployment")


def created(capsys: Output, *arguments: str) -> str:
    """The token of a new key."""
    assert run(["keys", "create", *arguments]) == 0
    return capsys.readouterr().out.splitlines()[-1]


def test_a_key_is_shown_once_and_opens_what_it_is_for(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["keys", "create", "--name", "dashboard", "--scope", "read", "--expires", "90d"]) == 0
    output = capsys.readouterr()
    token = output.out.splitlines()[-1]
    assert output.err == "The key itself, which is not shown again:\n"
    assert re.search(r"^Scopes +read$", output.out, re.MULTILINE)
    assert run(["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert token not in listed
    assert token.split("_")[-1] not in listed
    monkeypatch.setenv("SOJOURN_API_KEY", token)
    assert run(["campaigns"]) == 0
    capsys.readouterr()
    assert run(["pause", "a"]) == 1
    assert capsys.readouterr().err.startswith("sojourn: this call takes a key of scope operate")


def test_the_list_of_keys(capsys: Output) -> None:
    created(capsys, "--name", "shop backend", "--scope", "ingest", "--scope", "read")
    token = created(capsys, "--name", "pipeline", "--scope", "operate", "--expires", "12h", "--source", "etl")
    assert run(["keys", "revoke", token.split("_")[1]]) == 0
    assert capsys.readouterr().out == f"{token.split('_')[1]}: pipeline revoked\n"
    assert run(["keys", "list"]) == 0
    header, pipeline, shop = capsys.readouterr().out.splitlines()
    assert header.split() == ["KEY", "NAME", "SCOPES", "SOURCE", "STATE", "CREATED", "USED"]
    assert re.match(rf"{token.split('_')[1]}  pipeline +operate +etl +revoked +2", pipeline)
    assert re.match(r"[0-9a-f]{16}  shop backend +ingest, read +shop backend +good +2.* never$", shop)
    assert run(["keys", "list", "--limit", "1"]) == 0
    more = capsys.readouterr().err.split()[-2:]
    assert run(["keys", "list", *more]) == 0
    assert "shop backend" in capsys.readouterr().out


def test_keys_for_scripts(capsys: Output) -> None:
    assert run(["keys", "create", "--name", "a", "--scope", "read", "--expires", "12h", "--json"]) == 0
    key = json.loads(capsys.readouterr().out)
    left = datetime.fromisoformat(key["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=11, minutes=58) < left <= timedelta(hours=12)
    assert run(["keys", "revoke", key["id"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["revoked_at"]
    assert run(["keys", "list", "--json"]) == 0
    assert [each["id"] for each in json.loads(capsys.readouterr().out)["keys"]] == [key["id"]]


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["create", "--name", "", "--scope", "read"], 1, "sojourn: "),
        (["revoke", "none"], 1, "sojourn: there is no key none"),
    ],
)
def test_what_is_refused(capsys: Output, arguments: list[str], status: int, told: str) -> None:
    assert run(["keys", *arguments]) == status
    assert told in " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.mark.usefixtures("running")
def test_who_did_what(capsys: Output) -> None:
    assert run(["pause", "abandoned-cart"]) == 0
    capsys.readouterr()
    assert run(["audit"]) == 0
    header, pause, start, *_ = capsys.readouterr().out.splitlines()
    assert header.split("  ")[0] == "TIME"
    assert re.search(r"  SOJOURN_ADMIN_KEY  campaign\.pause +abandoned-cart", pause)
    assert re.search(r"  campaign\.start +abandoned-cart  .*version 1", start)
    assert run(["audit", "--target", "other"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert run(["audit", "--actor", "environment", "--limit", "1"]) == 0
    output = capsys.readouterr()
    assert "campaign.pause" in output.out
    assert run(["audit", *output.err.split()[-2:], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entries"][0]["action"] == "campaign.start"


PAGE = (Path(__file__).parents[2] / "docs" / "browser.md").read_text()
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


def test_a_browser_key_is_made_and_its_tokens_signed_as_the_page_shows(capsys: Output) -> None:
    [line] = BLOCKS["sh"].splitlines()
    _, *arguments = shlex.split(line)
    assert run(arguments) == 0
    output = capsys.readouterr()
    *facts, token, secret = output.out.splitlines()
    assert re.search(r"^Origins +https://\*\.shop\.example, https://shop\.example$", "\n".join(facts), re.MULTILINE)
    assert token.startswith("sj_")
    assert output.err.endswith("The secret by which your server signs user tokens, which is not shown again:\n")
    id = token.split("_")[1]
    assert run(["keys", "rotate-token-secret", id]) == 0
    rotated = capsys.readouterr().out.strip()
    assert run(["keys", "rotate-token-secret", id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["token_secret"] not in (secret, rotated)
    assert run(["keys", "list"]) == 0
    assert "browser:shop" in capsys.readouterr().out

    names: dict[str, Any] = {"jwt": jwt, "time": time}
    exec(BLOCKS["python"], names)  # noqa: S102 - the page's own
    signed = names["user_token"]("u-1", rotated, ["acme"])
    user = verify_user_token(signed, [rotated], datetime.now(UTC))
    assert isinstance(user, VerifiedUser)
    assert (user.user_id, user.groups) == ("u-1", frozenset({"acme"}))
    assert f"(up to {MAX_CLAIMS})" in PAGE
    assert f"{MAX_LIFETIME // timedelta(hours=1)} hours" in PAGE


def test_a_key_that_trusts_every_browser_is_listed_by_check(
    capsys: Output, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOJOURN_DATABASE_URL", database_url)
    created(capsys, "--name", "kiosk", "--browser", "--origin", "https://kiosk.example", "--trust", "full")
    run(["check"])
    told = capsys.readouterr().out
    assert "the browser key kiosk" in told
    assert "may report as any user" in told
