"""`sojourn check` and `sojourn migrate` say what a deployment lacks, and by their status whether it can wait."""

import asyncio
import json
import os
import re
from pathlib import Path

import pytest

from cli.main import run
from cli.unknown_variables import find_unknown_variables
from runtime.embedded.inbox import Inbox
from runtime.embedded.ports import free_port
from tests import generated
from tests.cli.conftest import Output
from tests.forks import run_in_folder
from tests.processes import ROOT
from tests.servers import TemporalServer

PORT = free_port()
AWAY = f"127.0.0.1:{PORT}"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, database_url: str, temporal: TemporalServer) -> None:
    """A deployment without workers or a mail server."""
    for name in [name for name in os.environ if name.startswith("SOJOURN_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": temporal.address,
        "TEMPORAL_NAMESPACE": temporal.namespace,
        "WRITE_KEY": generated.WRITE_KEY,
        "ADMIN_KEY": generated.ADMIN_KEY,
        "LINK_SECRET": generated.LINK_SECRET,
        "WEBHOOK_SIGNING_SECRET": generated.SIGNING_SECRET,
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(PORT),
        "SMTP_SECURITY": "none",
    }.items():
        monkeypatch.setenv(f"SOJOURN_{name}", value)


@pytest.mark.usefixtures("environment")
class TestCheck:
    def parts(self, capsys: Output) -> dict[str, dict[str, object]]:
        capsys.readouterr()
        status = run(["check", "--json"])
        findings = json.loads(capsys.readouterr().out)["findings"]
        assert status == (1 if any(not each["is_away"] for each in findings) else 3 if findings else 0)
        return {each["part"]: each for each in findings}

    def test_servers_that_do_not_answer_are_status_3(self, capsys: Output) -> None:
        assert run(["check"]) == 3
        assert capsys.readouterr().out.splitlines() == [
            "Checking the deployment of this environment.",
            "smtp: the mail server cannot be used: there is no connection",
            f"  it says: connect: Error connecting to 127.0.0.1 on port {PORT}: "
            f"[Errno 111] Connect call failed ('127.0.0.1', {PORT})",
            "  remedy: start the mail server, or correct SOJOURN_SMTP_HOST, _PORT, _SECURITY or _USERNAME",
            "worker: no worker has reported yet",
            "  remedy: run `sojourn worker`",
        ]

    def test_secrets_of_webhooks_are_listed_by_name_and_host(
        self, capsys: Output, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        value = "a value that is not shown"
        monkeypatch.setenv("SOJOURN_SECRET_CRM_TOKEN", value)
        monkeypatch.setenv("SOJOURN_SECRET_SLACK_PATH", value)
        monkeypatch.setenv("SOJOURN_SECRET_SLACK_PATH_HOSTS", "hooks.slack.com,hooks.example.com")
        run(["check"])
        printed = capsys.readouterr().out
        assert printed.splitlines()[-2:] == [
            "the secret crm_token is bound to no host, as webhooks and SMTP servers need: for "
            "https://hooks.example.com/…, set SOJOURN_SECRET_CRM_TOKEN_HOSTS=hooks.example.com, or write that to the "
            "file crm_token.hosts, and restart the workers",
            "the secret slack_path goes to hooks.slack.com, hooks.example.com",
        ]
        run(["check", "--json"])
        shown = capsys.readouterr().out
        assert json.loads(shown)["secrets"] == {
            "crm_token": [],
            "slack_path": ["hooks.slack.com", "hooks.example.com"],
        }
        assert value not in printed + shown
        assert "is not a known variable" not in printed

    def test_hosts_of_a_secret_that_is_not_there_are_unknown(self) -> None:
        environ = {"SOJOURN_SECRET_A": "x", "SOJOURN_SECRET_A_HOSTS": "x", "SOJOURN_SECRET_B_HOSTS": "x"}
        [finding] = find_unknown_variables(environ)
        assert "SOJOURN_SECRET_B_HOSTS" in finding.problem

    async def test_a_mail_server_without_starttls_is_to_be_mended(
        self, capsys: Output, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        inbox = await Inbox.start()
        monkeypatch.setenv("SOJOURN_SMTP_PORT", str(inbox.smtp_port))
        monkeypatch.setenv("SOJOURN_SMTP_SECURITY", "starttls")
        try:
            found = (await asyncio.to_thread(self.parts, capsys))["smtp"]
        finally:
            await inbox.stop()
        assert found["problem"] == "the mail server cannot be used: TLS fails"
        assert "(none, starttls, tls)" in str(found["remedy"])
        assert not found["is_away"]

    def test_a_weak_secret_is_found_and_the_rest_is_looked_at_all_the_same(
        self, capsys: Output, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SOJOURN_ADMIN_KEY", "guess")
        found = self.parts(capsys)
        assert list(found) == ["settings", "smtp", "worker"]
        assert found["settings"]["problem"] == "SOJOURN_ADMIN_KEY has 5 characters of the 32 it takes"
        assert found["settings"]["remedy"] == "make one with: openssl rand -hex 32"
        assert "guess" not in str(found)

    def test_a_database_that_is_away_is_told_in_one_line_of_words(
        self, capsys: Output, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SOJOURN_DATABASE_URL", f"postgresql://u:hidden@{AWAY}/none")
        found = self.parts(capsys)["database"]
        assert found["problem"] == "the database does not answer: there is no connection"
        assert "Connection refused Is the server running on that host" in str(found["detail"])
        assert run(["migrate"]) == 3
        error = capsys.readouterr().err
        assert "the database does not answer" in error
        assert "�" not in error
        assert "hidden" not in error

    @pytest.mark.parametrize(
        ("part_of_the_url", "another", "problem"),
        [
            ("://(?P<user>[^:]+):[^@]+@", r"://\g<user>:guess@", "the user or password is wrong"),
            ("://(?P<user>[^:]+):[^@]+@", r"://\g<user>@", "the user or password is wrong"),
            ("/[^/]+$", "/none", "there is no such database"),
            ("$", "?sslmode=require", "it does not permit this connection"),
        ],
    )
    def test_a_database_that_refuses_us_is_to_be_mended(
        self,
        capsys: Output,
        monkeypatch: pytest.MonkeyPatch,
        database_url: str,
        part_of_the_url: str,
        another: str,
        problem: str,
    ) -> None:
        monkeypatch.setenv("SOJOURN_DATABASE_URL", re.sub(part_of_the_url, another, database_url, count=1))
        found = self.parts(capsys)["database"]
        assert found["problem"] == f"the database refuses us: {problem}"
        assert "SOJOURN_DATABASE_URL" in str(found["remedy"])
        assert not found["is_away"]
        assert run(["migrate"]) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"sojourn: the database refuses us: {problem} (")
        assert "guess" not in error

    def test_a_misspelt_variable_is_told_with_what_it_may_be(
        self, capsys: Output, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SOJOURN_SMTP_PASWORD", "hidden")
        monkeypatch.setenv("SOJOURN_SECRET_SLACK_HOSTS", "hooks.slack.com")
        monkeypatch.setenv("SOJOURN_SERVICE_HOST", "10.0.0.1")
        found = self.parts(capsys)["settings"]
        assert found["problem"] == "SOJOURN_SMTP_PASWORD is not a known variable, and nothing reads it"
        assert found["remedy"] == "rename it to SOJOURN_SMTP_PASSWORD, or unset it"
        assert "hidden" not in str(found)

    def test_a_namespace_that_lacks_is_told(self, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOJOURN_TEMPORAL_NAMESPACE", "not-made-yet")
        found = self.parts(capsys)["namespace"]
        assert found["remedy"] == (
            "run `temporal operator namespace create --namespace not-made-yet`, then `sojourn migrate`"
        )

    def test_a_database_that_was_not_migrated_is_told(
        self, capsys: Output, monkeypatch: pytest.MonkeyPatch, empty_database_url: str
    ) -> None:
        monkeypatch.setenv("SOJOURN_DATABASE_URL", empty_database_url)
        assert self.parts(capsys)["migrations"]["remedy"] == "run `sojourn migrate`"

    def test_migrating_goes_on_while_temporal_is_away(self, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOJOURN_TEMPORAL_ADDRESS", AWAY)
        assert run(["migrate"]) == 0
        printed = capsys.readouterr()
        assert printed.out == "The database has the newest schema.\n"
        assert printed.err.startswith(
            "Without search attributes, no journey starts. Temporal does not answer: the connection is refused: "
        )
        assert "Then run `sojourn migrate` again" in printed.err


def start_sojourn(folder: Path, *arguments: str, **variables: str) -> tuple[int, list[str]]:
    """Run a process that does not get far; its status and the lines of its standard error."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("SOJOURN_")}
    ended = run_in_folder(folder, *arguments, variables={**given, **variables})
    return ended.returncode, ended.stderr.splitlines()


@pytest.mark.parametrize("command", ["api", "worker", "dev"])
def test_processes_warn_of_what_nothing_reads(tmp_path: Path, command: str) -> None:
    status, lines = start_sojourn(tmp_path, command, SOJOURN_TIMEZON="Europe/Berlin", SOJOURN_TIMEZONE="Berlin")
    assert status == 1
    warning = json.loads(lines[0])
    assert (warning["event"], warning["level"]) == ("variable ignored", "warning")
    assert warning["problem"] == "SOJOURN_TIMEZON is not a known variable, and nothing reads it"
    assert warning["remedy"] == "rename it to SOJOURN_TIMEZONE, or unset it"
    assert any(line.endswith("IANA name of a time zone, did you mean Europe/Berlin?") for line in lines[1:])


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        ("SOJOURN_INBOX_URL", "nowhere", "SOJOURN_INBOX_URL is not valid: "),
        ("SOJOURN_SMTP_PORT", "80x", "SOJOURN_SMTP_PORT is not valid: "),
        ("SOJOURN_API_PORT", "80x", "SOJOURN_API_PORT is not valid: "),
        ("SOJOURN_PUBLIC_URL", "nowhere", "SOJOURN_PUBLIC_URL "),
    ],
)
def test_dev_refuses_a_setting_before_servers_start(tmp_path: Path, variable: str, value: str, error: str) -> None:
    status, lines = start_sojourn(tmp_path, "dev", **{variable: value})
    assert status == 1
    [line] = lines
    assert line.startswith(f"sojourn: {error}")
    assert not (tmp_path / ".sojourn" / "postgres").exists()


def test_every_variable_of_the_settings_page_is_known() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    variables = set(re.findall(r"`(SOJOURN_[A-Z_]+)`", page))
    assert len(variables) > 40
    assert find_unknown_variables(dict.fromkeys(variables, "")) == []


@pytest.mark.parametrize(
    "variable",
    ["SOJOURN_PORT", "SOJOURN_SERVICE_PORT", "SOJOURN_SERVICE_PORT_HTTP", "SOJOURN_WORKER_PORT_9464_TCP_ADDR"],
)
def test_what_kubernetes_sets_is_not_reported(variable: str) -> None:
    assert find_unknown_variables({variable: "tcp://10.0.0.1:8080"}) == []


def test_a_variable_like_no_other_is_to_be_unset() -> None:
    [found] = find_unknown_variables({"SOJOURN_QQQQQQQQ": "x", "PATH": "/bin"})
    assert found.remedy == "unset it"
