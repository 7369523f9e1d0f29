"""The curl lines of a page, each with its answer: `curl … # 422 invalid_document`."""

import re
import shlex
from collections.abc import Mapping
from typing import NamedTuple

import httpx


class CurlLine(NamedTuple):
    """The request of a line, the status of its answer, and the word behind it."""

    request: httpx.Request
    status: int
    then: str


def curl_lines(page: str) -> list[str]:
    """Return the lines of the shell blocks that call the API."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line.startswith("curl ")]


def read_curl(text: str, known: Mapping[str, str]) -> CurlLine:
    """Read a line that says which answer it gets; `known` are its variables."""
    command, _, said = text.rpartition("  # ")
    status, _, then = re.fullmatch(r"(\d{3})(,? ?)(\w*)", said.strip()).groups()  # type: ignore[union-attr]
    return CurlLine(curl_request(command, known), int(status), then)


def curl_request(command: str, known: Mapping[str, str]) -> httpx.Request:
    """Return what curl sends, with the options that pages use: -X, -H, -u, -d and -w, which prints only."""
    for name, value in sorted(known.items(), reverse=True):
        command = command.replace(f"${name}", value)
    assert "$" not in command, command
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
            case ["-w", _, *rest]:
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
                assert url.startswith("http://"), command
        words = rest
    request = httpx.Request(method or ("POST" if body else "GET"), url, headers=headers, content=body)
    return next(auth.sync_auth_flow(request)) if auth else request
