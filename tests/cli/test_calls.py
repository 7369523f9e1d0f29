"""What goes wrong between a command and the API, and what the exit status says of it."""

import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from cli import client
from cli.client import ApiClient
from cli.main import run
from cli.target import Target
from domain.errors import SojournError, UnavailableError
from tests.cli.conftest import Output
from tests.forks import run_in_folder
from tests.harness import ADMIN_KEY

LOSE = (0, b"")  # close the connection instead of an answer
REFUSED = (409, b'{"code": "idempotency_in_progress", "detail": "at it"}')
DONE = (200, b'{"key": "a", "state": "paused", "running_version": 1}')


NO_ADDRESSES = (
    "http://[",
    "http://",
    "http://..",
    "http://a..b",
    "http://xn--",
    f"http://{'a' * 64}.example",
    "http://ü\udcff",
)
UNSENDABLE = ["{}\nX: y", "{}\r\nx", "{} {}", "\x00{}", "{}ü", "{}\udcff", " \r\n"]


@contextmanager
def answering(*answers: tuple[int, bytes]) -> Iterator[tuple[str, list[str | None]]]:
    """A server that gives these answers, one a request; its address, and the Idempotency-Keys that it got."""
    left, keys = list(answers), []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.append(self.headers["Idempotency-Key"])
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = left.pop(0)
            if status:
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", keys
        server.shutdown()
        thread.join()


@pytest.fixture
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RETRY_SECONDS", (0.0, 0.0, 0.0))


def test_a_wrong_key(deployment: str, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setenv("SOJOURN_API_KEY", "wrong-key")
    assert run(["campaigns"]) == 1
    assert capsys.readouterr().err.startswith("sojourn: this key ")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("url", "status", "told"),
    [
        ("http://127.0.0.1:1", 3, "no answer from http://127.0.0.1:1"),
        ("localhost:8080", 1, "is not an address such as http://localhost:8080"),
        ("ftp://localhost", 1, "is not an address such as http://localhost:8080"),
        *((url, 1, "is not an address such as http://localhost:8080") for url in NO_ADDRESSES),
        ("http://me:hidden@127.0.0.1:1", 1, "the address by --url holds a user or password"),
    ],
)
def test_an_address_without_api(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, url: str, status: int, told: str
) -> None:
    monkeypatch.setenv("SOJOURN_API_KEY", "k")
    assert run(["--url", url, "campaigns"]) == status
    error = capsys.readouterr().err
    assert told in error
    assert "hidden" not in error


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("written", UNSENDABLE, ids=ascii)
def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, written: str
) -> None:
    # The variables of a process hold no NUL, the output of a `key_command` may.
    monkeypatch.setattr("cli.target._environment_key", lambda *_: written.replace("{}", "hidden"))
    assert run(["campaigns"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("sojourn: the key for http://localhost:8080 ")
    assert "hidden" not in error


def test_blanks_around_a_key_are_none_of_it(deployment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOJOURN_API_KEY", f" {ADMIN_KEY}\r")
    assert run(["campaigns"]) == 0


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nSet-Cookie hidden\r\n\r\n", b"hidden\r\n\r\n", b""])
def test_what_breaks_the_protocol_is_not_quoted(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        api = ApiClient(Target(f"http://127.0.0.1:{listener.getsockname()[1]}", "k"))
        with api, pytest.raises(UnavailableError, match="was closed, or does not speak HTTP") as lost:
            api.get("campaigns")
        thread.join()
    assert "hidden" not in str(lost.value)


def test_a_header_that_cannot_be_sent_is_not_quoted() -> None:
    with (
        answering() as (url, _),
        ApiClient(Target(url, "hidden\n")) as api,
        pytest.raises(UnavailableError) as lost,
    ):
        api.get("campaigns")
    assert "hidden" not in str(lost.value)


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", "\udcff"],
        ["journeys", "--user", "\udcff"],
        ["keys", "create", "--scope", "read", "--name", "\udcff"],
    ],
    ids=ascii,
)
def test_an_argument_that_is_not_utf_8_is_refused(capsys: Output, arguments: list[str]) -> None:
    assert run(arguments) == 1
    assert capsys.readouterr().err == "sojourn: an argument is not text in UTF-8\n"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "answer", [(200, b"<html>"), (502, b"bad gateway"), (301, b"{}"), (200, b"[]")], ids=lambda answer: str(answer)
)
def test_something_else_answers(monkeypatch: pytest.MonkeyPatch, capsys: Output, answer: tuple[int, bytes]) -> None:
    monkeypatch.setenv("SOJOURN_API_KEY", "k")
    with answering(answer) as (url, _):
        assert run(["--url", url, "campaigns"]) == 3
    assert f"answered {answer[0]} and not as Sojourn does" in capsys.readouterr().err


@pytest.mark.usefixtures("in_haste")
def test_what_acts_is_asked_for_again_under_the_same_key_where_the_answer_was_lost() -> None:
    with answering(LOSE, LOSE, REFUSED, DONE, DONE) as (url, keys), ApiClient(Target(url, "k")) as api:
        assert api.post("campaigns", "a", "pause") == json.loads(DONE[1])
        api.post("campaigns", "a", "pause")
    first, *again, other = keys
    assert first is not None
    assert again == [first] * 3
    assert other not in (None, first)


@pytest.mark.usefixtures("in_haste")
@pytest.mark.parametrize(
    ("answers", "error"),
    [([LOSE] * 4, UnavailableError), ([REFUSED], SojournError), ([(503, b"{}")], UnavailableError)],
    ids=["lost again and again", "refused at once", "not now"],
)
def test_what_acts_is_not_asked_for_again_without_need_or_end(
    answers: list[tuple[int, bytes]], error: type[SojournError]
) -> None:
    with answering(*answers) as (url, keys), ApiClient(Target(url, "k")) as api:
        with pytest.raises(error):
            api.post("campaigns", "a", "pause")
        assert len(keys) == len(answers)


def test_what_only_asks_has_no_key() -> None:
    with answering(DONE) as (url, keys), ApiClient(Target(url, "k")) as api:
        api.get("campaigns", "a")
    assert keys == [None]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("code", "status"), [("plan_outdated", 5), ("conflict", 1), ("rate_limited", 3)])
def test_the_status_of_refusals(monkeypatch: pytest.MonkeyPatch, capsys: Output, code: str, status: int) -> None:
    monkeypatch.setenv("SOJOURN_API_KEY", "k")
    body = json.dumps({"code": code, "detail": "what\nis right"}).encode()
    with answering((429 if status == 3 else 409, body)) as (url, _):
        assert run(["--url", url, "campaigns"]) == status
    assert capsys.readouterr().err == "sojourn: what�is right\n"


def test_missing_settings_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    for name in ("DATABASE_URL", "WRITE_KEY", "LINK_SECRET"):
        monkeypatch.delenv(f"SOJOURN_{name}", raising=False)
    assert run(["migrate"]) == 1
    assert "sojourn: SOJOURN_DATABASE_URL is not set: " in capsys.readouterr().err


def test_migrate_without_database(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setenv("SOJOURN_DATABASE_URL", "postgresql://u:hidden@127.0.0.1:1/none")
    for name in ("WRITE_KEY", "ADMIN_KEY", "LINK_SECRET", "WEBHOOK_SIGNING_SECRET"):
        monkeypatch.setenv(f"SOJOURN_{name}", "k")
    assert run(["migrate"]) == 3
    error = capsys.readouterr().err
    assert error.startswith("sojourn: the database does not answer")
    assert "hidden" not in error


def test_the_version(capsys: Output) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"sojourn {version('sojourn')}\n"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--help"], 0), (["nonsense"], 2), (["campaigns"], 1), (["--url", "http://127.0.0.1:1", "campaigns"], 3)],
)
def test_the_process_ends_with_the_status(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int
) -> None:
    if status == 3:
        monkeypatch.setenv("SOJOURN_API_KEY", "k")
    ended = run_in_folder(folder, *arguments, variables=os.environ)
    assert ended.returncode == status
    assert ended.stdout if status == 0 else ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_colour_there_is_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in _process(folder, "--help").stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3\dm", _process(folder, "--help").stdout)


def _process(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    start = f"import sys; sys.path.insert(0, {str(root)!r}); from cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", start, *arguments], capture_output=True, text=True, check=False, cwd=folder
    )
