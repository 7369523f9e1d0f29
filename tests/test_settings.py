"""Settings that cannot be meant are refused with what would be right, all at once, and no refusal shows a secret."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from domain.sending.outbound_secrets import BoundSecret
from settings import DatabaseSettings, Settings, find_setting_faults
from settings_temporal import CodecServerSettings
from tests import generated
from tests.forks import fork

RIGHT = {
    "database_url": "postgresql://sojourn:hidden@localhost/sojourn",
    "write_key": generated.WRITE_KEY,
    "admin_key": generated.ADMIN_KEY,
    "link_secret": generated.LINK_SECRET,
    "webhook_signing_secret": generated.SIGNING_SECRET,
}
OLDER = generated.secret("an older one")

WEAK = [
    ("admin_key", "a", "SOJOURN_ADMIN_KEY has 1 character of the 32 it takes: make one with: openssl rand -hex 32"),
    ("admin_key", "a" * 40, "SOJOURN_ADMIN_KEY repeats 1 character and can be guessed: make one with: openssl"),
    ("admin_key", "correct horse battery staple and a mule", "SOJOURN_ADMIN_KEY holds blanks"),
    ("admin_key", generated.WRITE_KEY, "SOJOURN_ADMIN_KEY is the same as SOJOURN_WRITE_KEY"),
    ("write_key", "ab" * 20, "SOJOURN_WRITE_KEY repeats 2 characters"),
    ("link_secret", "", "SOJOURN_LINK_SECRET is empty: make one with: openssl rand -hex 32"),
    ("link_secret", "link-secret", "SOJOURN_LINK_SECRET has 11 characters of the 32"),
    ("link_secret", f"{generated.LINK_SECRET},old", "SOJOURN_LINK_SECRET has 3 characters of the 32"),
    ("link_secret", f"{OLDER}\n{OLDER}", "SOJOURN_LINK_SECRET names one secret twice"),
    ("link_secret", generated.ADMIN_KEY, "SOJOURN_LINK_SECRET is the same as SOJOURN_ADMIN_KEY"),
    ("webhook_signing_secret", "", "SOJOURN_WEBHOOK_SIGNING_SECRET is empty: make one with: echo"),
    ("webhook_signing_secret", "whsec_y", "SOJOURN_WEBHOOK_SIGNING_SECRET is not whsec_ and base64"),
    ("webhook_signing_secret", "whsec_YQ==", "SOJOURN_WEBHOOK_SIGNING_SECRET holds 1 byte where 24 to 64"),
    ("webhook_signing_secret", f"whsec_{'YWFh' * 10}", "SOJOURN_WEBHOOK_SIGNING_SECRET repeats 1 byte"),
    ("public_url", "http://journeys.example.com", "SOJOURN_PUBLIC_URL sends the links of recipients in the clear"),
    ("public_url", "http://192.168.1.5:8080", "SOJOURN_PUBLIC_URL sends the links of recipients in the clear"),
    ("public_url", "http://shop.localhost", "SOJOURN_PUBLIC_URL sends the links of recipients in the clear"),
    (
        "oidc_issuer",
        "http://accounts.example.com",
        "SOJOURN_OIDC_ISSUER is not the address of an issuer: write https://",
    ),
    ("oidc_issuer", "accounts.example.com", "SOJOURN_OIDC_ISSUER is not the address of an issuer: write https://"),
    (
        "oidc_issuer",
        "https://a.example",
        "SOJOURN_OIDC_ISSUER is of no use without SOJOURN_OIDC_CLIENT_ID and SOJOURN_",
    ),
    ("oidc_client_secret", "two words", "SOJOURN_OIDC_CLIENT_SECRET holds blanks"),
    ("oidc_roles", "admins=admin", "SOJOURN_OIDC_ROLES is not valid: must be JSON, a role for each group, such as {"),
    ("oidc_roles", '{"admins": "root"}', "SOJOURN_OIDC_ROLES is not valid: must be JSON, a role for each group"),
    ("oidc_groups_claim", "", "SOJOURN_OIDC_GROUPS_CLAIM is not valid"),
    ("public_url", "shop.example.org", "SOJOURN_PUBLIC_URL is not the address of a web server"),
    ("public_url", "https://u:p@shop.example.org", "SOJOURN_PUBLIC_URL is not the address of a web server"),
]
ALLOWED = [
    ("public_url", "https://journeys.example.com/sojourn"),
    ("public_url", "http://localhost:8080"),
    ("public_url", "http://127.0.0.1:8080"),
    ("public_url", "http://[::1]:8080"),
    ("write_key", ""),
    ("link_secret", f"{generated.LINK_SECRET}\n{OLDER}\n"),
    ("link_secret", f"{generated.LINK_SECRET}, {OLDER}"),
]


def faults_of(values: Mapping[str, object]) -> list[str]:
    try:
        Settings.model_validate(values)
    except ValidationError as error:
        return [str(finding) for finding in find_setting_faults(error)]
    return []


def test_the_refusal_itself_shows_no_value() -> None:
    """A traceback would end with it."""
    weak = {"admin_key": "to-be-guessed", "link_secret": "guessed-as-well", "smtp_security": "odd", "timezone": "Mars"}
    with pytest.raises(ValidationError, match="4 validation errors") as refused:
        Settings.model_validate({**RIGHT, **weak})
    assert not any(value in str(refused.value) for value in weak.values())


def test_what_is_right_is_taken_and_not_shown() -> None:
    settings = Settings.model_validate(RIGHT)
    assert "hidden@" not in repr(settings)
    assert settings.database_url.get_secret_value() == RIGHT["database_url"]


@pytest.mark.parametrize(
    ("name", "value", "told"), WEAK, ids=[f"{number}-{name}" for number, (name, _, _) in enumerate(WEAK)]
)
def test_weak_secrets_are_refused(name: str, value: str, told: str) -> None:
    [fault] = faults_of({**RIGHT, name: value})
    assert fault.startswith(told)
    assert len(value) < 8 or value not in fault


@pytest.mark.parametrize(
    ("name", "value"), ALLOWED, ids=[f"{number}-{name}" for number, (name, _) in enumerate(ALLOWED)]
)
def test_strong_ones_are_taken(name: str, value: str) -> None:
    assert faults_of({**RIGHT, name: value}) == []


@pytest.mark.parametrize(
    ("host", "security", "is_refused"),
    [
        ("mail.example.com", "none", True),
        ("mail.example.com", "starttls", False),
        ("mail.example.com", "tls", False),
        ("127.0.0.1", "none", False),
        ("localhost", "none", False),
        ("mail.localhost", "none", True),
    ],
)
def test_a_password_for_mails_does_not_travel_in_the_clear(host: str, security: str, is_refused: bool) -> None:
    mail = {"smtp_host": host, "smtp_security": security, "smtp_password": "hidden", "smtp_username": "u"}
    told = ["SOJOURN_SMTP_SECURITY is none and would send SOJOURN_SMTP_PASSWORD in the clear: set starttls or tls"]
    assert faults_of({**RIGHT, **mail}) == (told if is_refused else [])
    assert faults_of({**RIGHT, "smtp_host": host, "smtp_security": security}) == []


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("database_url", "mysql://x/y", "must be postgresql://user:password@host:port/name"),
        ("smtp_security", "ssl", "'none', 'starttls' or 'tls'"),
        ("database_url", "postgresql://u:hidden@[x/", "must be postgresql://user:password@host:port/name"),
        ("database_url", "postgresql://u:hid%zz@x/y", "must be postgresql://user:password@host:port/name"),
        ("database_url", "postgresql://u:hidden@x:99999/y", "must be postgresql://user:password@host:port/name"),
        ("database_url", "postgresql://u:hid/den@x/y", "must be postgresql://user:password@host:port/name"),
        ("smtp_port", 99_999, "less than or equal to 65535"),
        ("smtp_port", 0, "greater than or equal to 1"),
        ("api_port", 65_536, "less than or equal to 65535"),
        ("metrics_address", "127.0.0.1:65536", "must be host:port, as 127.0.0.1:9464"),
        ("task_queue", "a" * 201, "should match pattern"),
        ("metrics_address", "9464", "must be host:port, as 127.0.0.1:9464"),
        ("metrics_address", ":9464", "must be host:port, as 127.0.0.1:9464"),
        ("metrics_address", "http://127.0.0.1:9464", "must be host:port, as 127.0.0.1:9464"),
    ],
)
def test_what_is_wrong_is_refused(name: str, value: str, told: str) -> None:
    [fault] = faults_of({**RIGHT, name: value})
    assert fault.startswith(f"SOJOURN_{name.upper()} is not valid: ")
    assert told in fault
    assert "hid" not in fault


@pytest.mark.parametrize(
    "url", ["postgresql:///x", "postgres://a,b:1/x?sslmode=require", "postgresql://u:p%40@[::1]/x"]
)
def test_a_url_that_libpq_can_read_is_taken(url: str) -> None:
    assert faults_of({**RIGHT, "database_url": url}) == []


@pytest.mark.parametrize("name", ["admin_key", "write_key", "link_secret", "temporal_api_key", "smtp_password"])
def test_a_secret_that_a_header_or_a_line_cannot_hold_is_refused_and_not_shown(name: str) -> None:
    faults = faults_of({**RIGHT, name: "hidden\x00" + generated.secret("in a header")})
    assert faults
    assert all(f"{name.upper()} holds " in fault for fault in faults)
    assert "hidden" not in str(faults)


@pytest.mark.parametrize("name", ["admin_key", "temporal_api_key", "smtp_password"])
def test_the_end_of_a_line_is_no_part_of_a_secret(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = generated.secret("at the end of a line")
    for variable, value in {**RIGHT, name: secret + "\r"}.items():
        monkeypatch.setenv(f"SOJOURN_{variable.upper()}", value)
    assert getattr(Settings(), name).get_secret_value() == secret


@pytest.mark.parametrize(
    "address", ["http://localhost:7233", "localhost:7233/", "dns:///temporal:7233", "a b:1", "temporal", ":7233"]
)
def test_an_address_of_temporal_is_a_host_and_a_port(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOJOURN_TEMPORAL_ADDRESS", address)
    [fault] = faults_of({**RIGHT, "temporal_address": address})
    assert fault.startswith("SOJOURN_TEMPORAL_ADDRESS is not valid: must be host:port without a scheme or path, as ")


@pytest.mark.parametrize(
    "address", ["localhost:7233", "crm.a1b2c.tmprl.cloud:7233", "10.0.0.1:7233", "[::1]:7233", "temporal_frontend:7233"]
)
def test_an_address_of_temporal_is_taken(address: str) -> None:
    assert faults_of({**RIGHT, "temporal_address": address}) == []


def test_a_migration_needs_the_database_only() -> None:
    assert DatabaseSettings.model_validate({"database_url": RIGHT["database_url"]})


BAD = {
    "SOJOURN_DATABASE_URL": "postgresql://u:hidden@127.0.0.1:1/none",
    "SOJOURN_ADMIN_KEY": "a-key-to-be-guessed",
    "SOJOURN_WRITE_KEY": "a-key-to-be-guessed",
    "SOJOURN_LINK_SECRET": "",
    "SOJOURN_WEBHOOK_SIGNING_SECRET": "whsec_YQ==",
    "SOJOURN_PUBLIC_URL": "http://journeys.example.com",
    "SOJOURN_SMTP_HOST": "mail.example.com",
    "SOJOURN_SMTP_PASSWORD": "a-password-to-be-hidden",
    "SOJOURN_SMTP_SECURITY": "none",
    "SOJOURN_TIMEZONE": "Mars/Olympus",
}


@pytest.mark.parametrize("command", [("api", "--port", "0"), ("worker",)], ids="/".join)
async def test_the_processes_refuse_weak_secrets_at_once(command: tuple[str, ...]) -> None:
    """All that is wrong in one run, in words, with the remedy, and without what was given."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("SOJOURN_")}
    process = await fork(*command, variables={**given, **BAD})
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 180)
    finally:
        process.kill()
        await process.wait()
    lines = output.decode().splitlines()
    assert process.returncode == 1, lines
    assert len(lines) == 7
    assert all(line.startswith("sojourn: SOJOURN_") and ": " in line for line in lines)
    told = {line.split()[1].removeprefix("SOJOURN_") for line in lines}
    weak = {
        "WRITE_KEY",
        "ADMIN_KEY",
        "LINK_SECRET",
        "WEBHOOK_SIGNING_SECRET",
        "PUBLIC_URL",
        "SMTP_SECURITY",
        "TIMEZONE",
    }
    assert told == weak
    assert not any(word in output.decode() for word in ("guessed\n", "to-be", "YQ==", "journeys.example", "Olympus"))


class TestSecretsFromFiles:
    """Each secret may stand in a file, as Docker and Kubernetes mount it."""

    @pytest.fixture(autouse=True)
    def _environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in [name for name in os.environ if name.startswith(("SOJOURN_", "TEMPORAL_"))]:
            if name != "TEMPORAL_DEBUG":
                monkeypatch.delenv(name)
        for name, value in RIGHT.items():
            monkeypatch.setenv(f"SOJOURN_{name.upper()}", value)
        monkeypatch.setenv("HOME", "/nonexistent")

    @pytest.mark.parametrize("name", [*RIGHT, "smtp_password", "temporal_api_key"])
    def test_a_file_gives_a_secret(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        value = {**RIGHT, "smtp_password": "s e c r e t", "temporal_api_key": "secret"}[name]
        (tmp_path / "secret").write_text(f"{value}\r\n")
        monkeypatch.delenv(f"SOJOURN_{name.upper()}", raising=False)
        monkeypatch.setenv(f"SOJOURN_{name.upper()}_FILE", str(tmp_path / "secret"))
        assert getattr(Settings(), name).get_secret_value() == value

    def test_a_file_lists_secrets_one_a_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "links").write_text(f"{generated.LINK_SECRET}\n{OLDER}\n")
        monkeypatch.delenv("SOJOURN_LINK_SECRET")
        monkeypatch.setenv("SOJOURN_LINK_SECRET_FILE", str(tmp_path / "links"))
        assert Settings().link_secrets == [generated.LINK_SECRET, OLDER]

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (None, "and there is no such file"),
            (b"", "which is empty"),
            (b"\n", "which is empty"),
            (b"\xff\xfe", "which is not text in UTF-8"),
            (b"x" * 70_000, "which is larger than 64 kB"),
            (b"weak\n", "SOJOURN_LINK_SECRET has 4 characters of the 32"),
        ],
    )
    def test_a_file_that_holds_no_secret_is_named(
        self, content: bytes | None, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "secret"
        if content is not None:
            file.write_bytes(content)
        monkeypatch.delenv("SOJOURN_LINK_SECRET")
        monkeypatch.setenv("SOJOURN_LINK_SECRET_FILE", str(file))
        [fault] = faults_of({})
        assert told in fault
        assert fault.startswith("SOJOURN_LINK_SECRET ")

    def test_a_folder_is_no_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SOJOURN_ADMIN_KEY")
        monkeypatch.setenv("SOJOURN_ADMIN_KEY_FILE", str(tmp_path))
        [fault] = faults_of({})
        assert f"SOJOURN_ADMIN_KEY_FILE names {tmp_path}, which is a folder" in fault

    def test_a_secret_that_is_given_twice_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "secret").write_text(generated.LINK_SECRET)
        monkeypatch.setenv("SOJOURN_LINK_SECRET_FILE", str(tmp_path / "secret"))
        assert faults_of({}) == ["SOJOURN_LINK_SECRET is given, and so is SOJOURN_LINK_SECRET_FILE: unset one of them"]
        monkeypatch.setenv("SOJOURN_LINK_SECRET", "")
        assert faults_of({}) == []

    def test_only_secrets_come_from_files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "host").write_text("mail.example.com")
        monkeypatch.setenv("SOJOURN_SMTP_HOST_FILE", str(tmp_path / "host"))
        assert Settings().smtp_host == "localhost"


@pytest.mark.parametrize("kind", [Settings, CodecServerSettings])
@pytest.mark.parametrize("nonsense", ["nonsense", "{", "[", "http://[x", "é", " "])
def test_whatever_a_variable_says_is_told_or_taken(
    kind: type[Settings | CodecServerSettings], nonsense: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one: pydantic raises an error of its own for what it would read as JSON."""
    for name in kind.model_fields:
        with monkeypatch.context() as environment:
            environment.setenv(f"SOJOURN_{name.upper()}", nonsense)
            try:
                kind()
            except ValidationError as error:
                find_setting_faults(error)


OUTBOUND = "a value of the outside"


def outbound(monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> dict[str, BoundSecret]:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return Settings.model_validate(RIGHT).webhook_secrets


def test_secrets_of_webhooks_stand_in_variables_and_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "crm_token").write_text(f"{OUTBOUND} 1\n")
    (tmp_path / "folder" / "crm_token.hosts").write_text("api.example.com\nAPI.eu.example.com\n")
    (tmp_path / "folder" / "..data").mkdir()
    (tmp_path / "one").write_text(f"{OUTBOUND} 2\n")
    environ = {
        "SOJOURN_SECRETS_FOLDER": str(tmp_path / "folder"),
        "SOJOURN_SECRET_SLACK_PATH": f"{OUTBOUND} 3",
        "SOJOURN_SECRET_SLACK_PATH_HOSTS": "hooks.slack.com, 127.0.0.1",
        "SOJOURN_SECRET_ONE_FILE": str(tmp_path / "one"),
    }
    assert outbound(monkeypatch, environ) == {
        "crm_token": BoundSecret(
            f"{OUTBOUND} 1", ("api.example.com", "api.eu.example.com"), str(tmp_path / "folder" / "crm_token")
        ),
        "slack_path": BoundSecret(f"{OUTBOUND} 3", ("hooks.slack.com", "127.0.0.1"), "SOJOURN_SECRET_SLACK_PATH"),
        "one": BoundSecret(f"{OUTBOUND} 2", (), "SOJOURN_SECRET_ONE_FILE"),
    }


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"SOJOURN_SECRET_A": "short"}, "SOJOURN_SECRET_A has 5 characters"),
        ({"SOJOURN_SECRET_A": f"{OUTBOUND}\r\nX: 1"}, "SOJOURN_SECRET_A holds control characters"),
        ({"SOJOURN_SECRET_A": f" {OUTBOUND}"}, "SOJOURN_SECRET_A holds control characters"),
        ({"SOJOURN_SECRET_A": OUTBOUND, "SOJOURN_SECRET_A_HOSTS": "https://x.example.com/"}, "which is not a host"),
        ({"SOJOURN_SECRET_A": OUTBOUND, "SOJOURN_SECRET_A_HOSTS": "*.example.com"}, "which is not a host"),
        ({"SOJOURN_SECRET_A": OUTBOUND, "SOJOURN_SECRET_A_HOSTS": "a.example.com:443"}, "which is not a host"),
        ({"SOJOURN_SECRET_1A": OUTBOUND}, "SOJOURN_SECRET_1A does not name a secret"),
        ({"SOJOURN_SECRET_A_FILE": "/nowhere/at/all"}, "there is no such file"),
        ({"SOJOURN_SECRETS_FOLDER": "/nowhere/at/all"}, "SOJOURN_SECRETS_FOLDER"),
    ],
)
def test_secrets_of_webhooks_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str], said: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        outbound(monkeypatch, environ)
    [fault] = find_setting_faults(refused.value)
    assert said in fault.problem
    assert OUTBOUND not in fault.problem + fault.remedy


def test_settings_do_not_show_the_secrets_of_webhooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOJOURN_SECRET_A", OUTBOUND)
    assert OUTBOUND not in repr(Settings.model_validate(RIGHT))
