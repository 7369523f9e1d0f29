"""docs/api.md is true: each of its curl lines is answered as it says."""

import re
from pathlib import Path
from typing import Any

import httpx

from api.session_cookie import COOKIE
from domain.access import ROLES, Scope, includes
from settings import Settings
from tests.api.fakes import ADMIN_KEY
from tests.api.live import open_live
from tests.api.shop import token
from tests.docs.curl import curl_lines, read_curl

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
LINES = curl_lines(PAGE)


async def test_the_curl_lines_are_answered_as_they_say(database_url: str) -> None:
    assert len(LINES) > 12
    known = {"URL": "http://sojourn.test", "KEY": ADMIN_KEY}
    async with (
        open_live(database_url) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client,
    ):
        for text in LINES:
            line = read_curl(text, known)
            answer = await client.send(line.request)
            assert answer.status_code == line.status, f"{text}\n{answer.text}"
            if line.then == "replayed":
                assert answer.headers["idempotent-replayed"] == "true"
            elif line.then == "masked":
                assert answer.json()["masked"] is True
            elif line.then:
                assert answer.json()["code"] == line.then
            if "set-cookie" in answer.headers:
                known["COOKIE"] = answer.cookies.get(COOKIE) or known["COOKIE"]
            elif answer.status_code == 201:
                known |= names_of(answer.json())
            if "next" in answer.text and answer.json().get("next"):
                known["NEXT"] = answer.json()["next"]


def names_of(key: dict[str, Any]) -> dict[str, str]:
    """The names by which the page goes on to use a key that was made."""
    if key["kind"] == "browser":
        return {"KEY_OF_THE_PAGE": key["token"], "USER_TOKEN": token(key["token_secret"], "u-1")}
    if key["scopes"] == [Scope.READ]:
        return {"KEY_OF_THE_DASHBOARD": key["token"]}
    return {"ID": key["id"], "KEY_OF_THE_BACKEND": key["token"]}


def test_the_scopes_of_the_page_are_those_that_there_are() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == list(Scope)


def test_the_roles_of_the_page_are_those_that_there_are() -> None:
    told = re.findall(r"^\| (\w+) \| (`.*`) \| (\w+) \|$", PAGE, re.MULTILINE)
    assert {role: set(re.findall(r"`(\w+)`", scopes)) for role, scopes, _ in told} == ROLES
    assert {role: seen == "shown" for role, _, seen in told} == {
        role: includes(scopes, Scope.PEOPLE) for role, scopes in ROLES.items()
    }


def test_the_settings_of_the_page_exist() -> None:
    assert set(re.findall(r"SOJOURN_([A-Z_]+)", PAGE)) <= {name.upper() for name in Settings.model_fields}
    for name in ("rate_limit", "rate_limit_events"):
        assert re.search(rf"`SOJOURN_{name.upper()}` \w+ \({Settings.model_fields[name].default:,}\)", PAGE), name
