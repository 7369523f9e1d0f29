"""The sessions of the console, listed and revoked."""

import re

import httpx
import pytest

from cli.main import run
from tests.cli.conftest import Output
from tests.harness import ADMIN_KEY

ORIGIN = {"Origin": "http://localhost:8080"}


@pytest.mark.usefixtures("deployment")
def test_sessions_are_listed_and_revoked(capsys: Output, api_url: str) -> None:
    with httpx.Client(base_url=api_url, headers=ORIGIN) as page:
        session = page.post("/v1/session", json={"key": ADMIN_KEY}).json()
    assert run(["sessions", "list"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["SESSION", "WHO", "SCOPES", "BY", "STATE", "CREATED"]
    assert re.match(rf"{session['id']}  SOJOURN_ADMIN_KEY  admin +environment:[0-9a-f]{{8}} +until 2", row)
    assert run(["sessions", "revoke", session["id"]]) == 0
    assert capsys.readouterr().out == f"{session['id']}: session of SOJOURN_ADMIN_KEY revoked\n"
    assert run(["sessions", "list"]) == 0
    assert "  revoked  " in capsys.readouterr().out
    assert run(["sessions", "revoke", "none"]) == 1
