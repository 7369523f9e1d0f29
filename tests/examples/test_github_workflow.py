"""The workflow of examples/github: its permissions, and its lines run against a server of comments."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
import yaml

from tests.processes import ROOT

WORKFLOW: dict[Any, Any] = yaml.safe_load((ROOT / "examples" / "github" / "backtest.yml").read_text())
JOBS = WORKFLOW["jobs"]
BOT = "github-actions[bot]"


class Comments(BaseHTTPRequestHandler):
    """GitHub's comments of one pull request, in memory."""

    known: ClassVar[list[dict[str, Any]]]
    address: str

    def do_GET(self) -> None:
        self._answer(self.known)

    def do_POST(self) -> None:
        self.known.append({"user": {"login": BOT}, "url": f"{self.address}/comments/{len(self.known)}", **self._read()})
        self._answer(self.known[-1])

    def do_PATCH(self) -> None:
        self.known[int(self.path.rpartition("/")[2])].update(self._read())
        self._answer({})

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""

    def _read(self) -> dict[str, Any]:
        assert self.headers["Authorization"] == "Bearer token"
        found: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return found

    def _answer(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def comments() -> Iterator[type[Comments]]:
    class Served(Comments):
        known: ClassVar[list[dict[str, Any]]] = []

    with ThreadingHTTPServer(("127.0.0.1", 0), Served) as server:
        Served.address = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, daemon=True).start()
        yield Served
        server.shutdown()


def run_step(job: str, folder: Path, **environment: str) -> int:
    [step] = [one for one in JOBS[job]["steps"] if "run" in one]
    scripts = Path(sys.executable).parent
    path = {"PATH": f"{scripts}:{os.environ['PATH']}"}
    # As GitHub runs `shell: bash`.
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return subprocess.run(command, cwd=folder, env={**path, **environment}, check=False, timeout=120).returncode


def test_it_asks_for_no_more_than_it_needs() -> None:
    assert WORKFLOW["permissions"] == {}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "backtest": {"contents": "read"},
        "comment": {"pull-requests": "write"},
    }
    # YAML 1.1 reads `on` as true.
    assert [*WORKFLOW[True]] == ["pull_request"]
    assert JOBS["backtest"]["if"] == "github.event.pull_request.head.repo.full_name == github.repository"


def test_nothing_proposed_is_run() -> None:
    steps = [step for job in JOBS.values() for step in job["steps"]]
    # An expression in a script would be run as a part of it.
    assert not [step for step in steps if "${{" in step.get("run", "")]
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"]) for step in steps if "uses" in step)
    assert [step["uses"] for step in JOBS["comment"]["steps"] if "uses" in step] == []
    assert "secrets." not in json.dumps(JOBS["comment"])


def test_one_comment_is_made_and_then_updated(comments: type[Comments], tmp_path: Path) -> None:
    if shutil.which("jq") is None:
        if "CI" in os.environ:
            pytest.fail("the lines of the workflow need jq: apt install jq")
        pytest.skip("no jq: apt install jq")
    mark = "<!-- sojourn backtest -->"
    comments.known.append({"user": {"login": "mallory"}, "url": "none", "body": mark})
    given = {"GITHUB_TOKEN": "token", "GITHUB_API_URL": comments.address, "GITHUB_REPOSITORY": "a/b", "NUMBER": "7"}
    assert run_step("comment", tmp_path, **given, REPORT='first "$(id)" → `x`') == 0
    assert run_step("comment", tmp_path, **given, REPORT="second") == 0
    assert [one["body"] for one in comments.known] == [mark, f"{mark}\nsecond"]


def test_the_report_is_handed_on_with_the_status(tmp_path: Path, database_url: str) -> None:
    shutil.copytree(ROOT / "cli" / "starter", tmp_path / "campaigns")
    given = {
        "SOJOURN_DATABASE_URL": database_url,
        "SOJOURN_TIMEZONE": "UTC",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }
    assert run_step("backtest", tmp_path, **given) == 0
    assert (tmp_path / "summary").read_text().startswith("# Backtest of a change\n")
    first, *lines, last = (tmp_path / "output").read_text().splitlines()
    assert first == f"report<<{last}"
    assert "**No person gets another message" in lines[2]
