"""docs/api.md is true: each of its curl lines is answered as it says."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import httpx

from domain.access import Scope
from settings import Settings
from tests.api.fakes import ADMIN_KEY
from tests.api.live import open_live

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
LINES = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
    if not line.startswith("export ")
]


class Line(NamedTuple):
    """A line of the page: the request that curl would send, and what it says of the answer."""

    request: httpx.Request
    status: int
    then: str


async def test_the_curl_lines_are_answered_as_they_say(database_url: str) -> None:
    assert len(LINES) > 12
    known = {"URL": "http://sojourn.test", "KEY": ADMIN_KEY}
    async with (
        open_live(database_url) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client,
    ):
        for text in LINES:
            line = _read(text, known)
            answer = await client.send(line.request)
            assert answer.status_code == line.status, f"{text}\n{answer.text}"
            if line.then == "replayed":
                assert answer.headers["idempotent-replayed"] == "true"
            elif line.then:
                assert answer.json()["code"] == line.then
            if answer.status_code == 201:
                known |= {"ID": answer.json()["id"], "KEY_OF_THE_BACKEND": answer.json()["token"]}
            if "next" in answer.text and answer.json().get("next"):
                known["NEXT"] = answer.json()["next"]


def test_the_scopes_of_the_page_are_those_that_there_are() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == list(Scope)


def test_the_settings_of_the_page_exist() -> None:
    assert set(re.findall(r"SOJOURN_([A-Z_]+)", PAGE)) <= {name.upper() for name in Settings.model_fields}
    for name in ("rate_limit", "rate_limit_events"):
        assert re.search(rf"`SOJOURN_{name.upper()}` \w+ \({Settings.model_fields[name].default:,}\)", PAGE), name


def _read(text: str, known: dict[str, str]) -> Line:
    """What curl does with the options that the page uses: -X, -H, -u and -d."""
    command, _, said = text.rpartition("  # ")
    for name, value in sorted(known.items(), reverse=True):
        command = command.replace(f"${name}", value)
    assert "$" not in command, text
    program, *words = shlex.split(command)
    assert program == "curl"
    headers: dict[str, str] = {}
    method: str | None = None
    body: str | None = None
    auth: httpx.BasicAuth | None = None
    url = ""
    while words:
        match words:
            case ["-X", method, *rest]:
                pass
            case ["-H", header, *rest]:
                name, _, value = header.partition(": ")
                headers[name] = value
            case ["-u", credentials, *rest]:
                user, _, password = credentials.partition(":")
                auth = httpx.BasicAuth(user, password)
            case ["-d", body, *rest]:
                headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
            case [url, *rest]:
                assert url.startswith("http://"), text
        words = rest
    request = httpx.Request(method or ("POST" if body else "GET"), url, headers=headers, content=body)
    status, _, then = re.fullmatch(r"(\d{3})(,? ?)(\w*)", said.strip()).groups()  # type: ignore[union-attr]
    return Line(next(auth.sync_auth_flow(request)) if auth else request, int(status), then)
