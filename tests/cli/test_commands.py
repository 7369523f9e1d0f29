import http.server
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cli.main import run
from domain.document_schemas import document_schema
from domain.errors import Problem
from tests.api.fakes import ADMIN_KEY, NOW, FakeServices, TimelineItem

Output = pytest.CaptureFixture[str]


def a_campaign(folder: Path, name: str = "abandoned-cart", text: str | None = None) -> Path:
    file = folder / f"{name}.yaml"
    file.write_text(text or f"key: {name}\nsteps: []\n")
    return file


@pytest.fixture
def running(deployment: str, folder: Path, capsys: Output) -> Path:
    """A campaign that was published and started."""
    file = a_campaign(folder)
    assert run(["campaign", "apply", str(file)]) == 0
    assert run(["campaign", "start", str(file)]) == 0
    capsys.readouterr()
    return file


@pytest.mark.usefixtures("deployment")
def test_apply_publishes_with_the_templates_beside(folder: Path, services: FakeServices, capsys: Output) -> None:
    file = a_campaign(folder)
    (folder / "templates").mkdir()
    (folder / "templates" / "nudge.liquid").write_text("Grüße {{ name }}", encoding="utf-8")
    (folder / "templates" / "notes.txt").write_text("not sent")
    assert run(["campaign", "apply", str(file)]) == 0
    assert capsys.readouterr().out == "abandoned-cart: version 1 published\n"
    assert services.campaigns.templates == {"nudge.liquid": "Grüße {{ name }}"}
    assert run(["campaign", "apply", str(file)]) == 0
    assert capsys.readouterr().out == "abandoned-cart: version 1 unchanged\n"


@pytest.mark.usefixtures("deployment")
def test_apply_prints_every_problem_and_goes_on(folder: Path, capsys: Output) -> None:
    bad, good = a_campaign(folder, "bad", "broken"), a_campaign(folder, "good")
    assert run(["campaign", "apply", str(bad), str(good)]) == 1
    output = capsys.readouterr()
    assert output.err.splitlines() == [
        f"{bad}:4: steps[0].delay: 30x is no duration. Write 30m or 2h.",
        f"{bad}:7: steps[1]: unknown step sned. Did you mean send?",
    ]
    assert output.out == "good: version 1 published\n"


@pytest.mark.usefixtures("deployment")
def test_apply_prints_warnings_and_publishes(folder: Path, services: FakeServices, capsys: Output) -> None:
    services.campaigns.warnings = [Problem("a.yaml", 7, "steps[1].send.expires", "it may expire", "Let it live longer")]
    assert run(["campaign", "apply", str(a_campaign(folder))]) == 0
    output = capsys.readouterr()
    assert output.out == "abandoned-cart: version 1 published\n"
    assert output.err == "warning: a.yaml:7: steps[1].send.expires: it may expire. Let it live longer\n"


def test_a_schema_is_printed_without_a_deployment(folder: Path, capsys: Output) -> None:
    assert run(["schema", "campaign"]) == 0
    assert json.loads(capsys.readouterr().out) == document_schema("campaign")
    assert run(["schema", "template"]) == 1
    assert capsys.readouterr().err == "sojourn: there is no schema template; there are campaign, frequency-caps\n"


@pytest.mark.usefixtures("deployment")
def test_apply_for_scripts(folder: Path, capsys: Output) -> None:
    file = a_campaign(folder)
    assert run(["campaign", "apply", "--json", str(file)]) == 0
    [result] = json.loads(capsys.readouterr().out)
    assert result == {"file": str(file), "key": "abandoned-cart", "version": 1, "created": True, "warnings": []}


@pytest.mark.usefixtures("deployment")
def test_apply_of_a_file_that_is_no_text(folder: Path, capsys: Output) -> None:
    file = folder / "a.yaml"
    file.write_bytes(b"\xff\xfe")
    assert run(["campaign", "apply", str(file)]) == 1
    assert capsys.readouterr().err == f"sojourn: {file} is not UTF-8; save it as UTF-8\n"


@pytest.mark.usefixtures("deployment")
def test_apply_of_a_file_that_is_not_there(capsys: Output) -> None:
    assert run(["campaign", "apply", "a.yaml"]) == 2
    assert "'a.yaml' does not exist" in capsys.readouterr().err


@pytest.mark.usefixtures("deployment")
@pytest.mark.parametrize(
    ("verb", "told"),
    [
        ("pause", "abandoned-cart: paused, version 1\n"),
        ("resume", "abandoned-cart: running, version 1\n"),
        ("stop", "abandoned-cart: stopping, version 1\n"),
        ("start", "abandoned-cart: running, version 1\n"),
    ],
)
@pytest.mark.parametrize("by_file", [True, False])
def test_the_verbs(running: Path, capsys: Output, verb: str, told: str, by_file: bool) -> None:
    assert run(["campaign", verb, str(running) if by_file else "abandoned-cart"]) == 0
    assert capsys.readouterr().out == told


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["stop", "none"], 1, "sojourn: there is no campaign none\n"),
        (["start", "abandoned-cart", "--version", "9"], 1, "sojourn: abandoned-cart has no version 9\n"),
        (["stop", "abandoned-cart", "--mode", "burn"], 1, "sojourn: body.mode: Input should be 'drain'\n"),
        (["start", "a/../b"], 1, "sojourn: Not Found\n"),
        (["pause", "missing.yaml"], 1, "missing.yaml cannot be read"),
        (["start", "a", "b", "--version", "1"], 2, "a version belongs to one campaign"),
        (["start"], 2, "Missing argument"),
    ],
)
def test_what_is_refused(running: Path, capsys: Output, arguments: list[str], status: int, told: str) -> None:
    assert run(["campaign", *arguments]) == status
    assert told in capsys.readouterr().err


@pytest.mark.usefixtures("deployment")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("key: [", ":1: document: "),
        ("a: b\nc: d: e", ":2: document: mapping values are not allowed here"),
        ("name: x", ":1: key: there is none"),
        ("[]", ":1: key: there is none"),
        ("key: 3", ":1: key: there is none"),
    ],
)
def test_a_file_without_a_key(folder: Path, capsys: Output, text: str, told: str) -> None:
    file = a_campaign(folder, text=text)
    assert run(["campaign", "start", str(file)]) == 1
    assert capsys.readouterr().err.startswith(f"{file}{told}")


def test_list(running: Path, capsys: Output) -> None:
    assert run(["campaign", "list"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["CAMPAIGN", "STATE", "STAGE", "RUNNING", "LATEST", "ACTIVE", "JOURNEYS"]
    assert row.split() == ["abandoned-cart", "running", "conversion", "1", "1", "0", "0"]
    assert run(["campaign", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["state"] == "running"


@pytest.mark.usefixtures("deployment")
def test_caps(folder: Path, capsys: Output) -> None:
    file = folder / "caps.yaml"
    file.write_text("rules:\n  - {name: weekly, limit: 3, per: 7d}\n")
    assert run(["caps", "apply", str(file)]) == 0
    assert run(["caps", "show"]) == 0
    assert capsys.readouterr().out == "frequency caps: version 1, 1 rule\n# version 1\n" + file.read_text()
    file.write_text("broken")
    assert run(["caps", "apply", str(file)]) == 1
    assert capsys.readouterr().err == f"{file}:2: rules[0].limit: 0 is too small. Write 1 or more.\n"


@pytest.mark.usefixtures("deployment")
def test_explain(services: FakeServices, capsys: Output) -> None:
    url = "http://localhost:8233/namespaces/default/workflows/abandoned-cart%2Fu"
    services.explain.items = [
        TimelineItem(NOW, "event", "Cart Abandoned [bold]"),
        TimelineItem(
            NOW, "send", "nudge: \x1b[31mrefused", "refused", "cart", "j", "nudge", "capped", {"limit": 3}, url
        ),
    ]
    assert run(["explain", "a/b", "--limit", "2"]) == 0
    header, first, second, link = capsys.readouterr().out.splitlines()
    assert header.split() == ["TIME", "WHAT", "CAMPAIGN", "STEP", "WHY", "LINK"]
    assert "event: Cart Abandoned [bold]" in first
    assert "send: nudge: �[31mrefused" in second
    assert second.split()[-2:] == ["capped", "[1]"]
    assert link == f"[1] {url}"
    assert services.explain.asked == [("a/b", 2, None)]


@pytest.mark.usefixtures("deployment")
def test_explain_for_scripts_and_for_nobody(capsys: Output) -> None:
    assert run(["explain", "u", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"user_id": "u", "items": [], "next": None}
    assert run(["explain", "u"]) == 0
    assert capsys.readouterr().out == "Nothing is known of u.\n"


def test_a_wrong_key(deployment: str, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setenv("SOJOURN_ADMIN_KEY", "wrong-key")
    assert run(["campaign", "list"]) == 1
    assert capsys.readouterr().err == "sojourn: this key is not the right one for this call\n"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("url", "status", "told"),
    [
        ("http://127.0.0.1:1", 3, "no answer from http://127.0.0.1:1"),
        ("localhost:8080", 1, "is no address such as http://localhost:8080"),
        ("ftp://localhost", 1, "is no address such as http://localhost:8080"),
        ("http://[", 1, "is no address such as http://localhost:8080"),
    ],
)
def test_an_address_without_api(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, url: str, status: int, told: str
) -> None:
    monkeypatch.setenv("SOJOURN_API_URL", url)
    monkeypatch.setenv("SOJOURN_ADMIN_KEY", ADMIN_KEY)
    assert run(["campaign", "list"]) == status
    assert told in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("code", "body"), [(200, b"<html>"), (502, b"bad gateway"), (301, b"{}"), (200, b"[]")])
def test_something_else_answers(monkeypatch: pytest.MonkeyPatch, capsys: Output, code: int, body: bytes) -> None:
    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        monkeypatch.setenv("SOJOURN_API_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("SOJOURN_ADMIN_KEY", ADMIN_KEY)
        assert run(["campaign", "list"]) == 3
        thread.join()
    assert f"answered {code} and not as Sojourn does" in capsys.readouterr().err


def test_missing_settings_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    for name in ("DATABASE_URL", "WRITE_KEY", "LINK_SECRET"):
        monkeypatch.delenv(f"SOJOURN_{name}", raising=False)
    assert run(["migrate"]) == 1
    assert "sojourn: SOJOURN_DATABASE_URL: Field required\n" in capsys.readouterr().err


def test_migrate_without_database(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setenv("SOJOURN_DATABASE_URL", "postgresql://u:hidden@127.0.0.1:1/none")
    for name in ("WRITE_KEY", "ADMIN_KEY", "LINK_SECRET", "WEBHOOK_SIGNING_SECRET"):
        monkeypatch.setenv(f"SOJOURN_{name}", "k")
    assert run(["migrate"]) == 3
    error = capsys.readouterr().err
    assert error.startswith("sojourn: the database does not answer")
    assert "hidden" not in error


@pytest.mark.parametrize(("arguments", "status"), [(["--help"], 0), (["nonsense"], 2), (["campaign", "list"], 1)])
def test_the_process_ends_with_the_status(folder: Path, arguments: list[str], status: int) -> None:
    root = Path(__file__).parents[2]
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(root)!r}); from cli.main import main; main()",
    ]
    ended = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, cwd=folder)
    assert ended.returncode == status
    assert ended.stdout if status == 0 else ended.stderr
    assert "Traceback" not in ended.stderr
