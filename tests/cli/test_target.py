"""Which deployment is talked to, and that no key goes to another."""

import json
import os
from pathlib import Path

import pytest

from cli.config import config_file, read_config
from cli.target import DEFAULT_URL, Target, find_target
from domain.errors import InvalidRequestError

STAGING = "https://staging.example.com"
CONFIG = f"""
default_context = "staging"

[contexts.staging]
url = "{STAGING}"
key = "staging-key"

[contexts.live]
url = "https://live.example.com"
key_command = "printf 'live-key\\n'"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def dev_folder(tmp_path: Path) -> Path:
    """A folder in which a development server runs."""
    return run_in(tmp_path / "dev")


def run_in(folder: Path, port: int = 9000) -> Path:
    """A folder in which a development server runs."""
    (folder / ".sojourn").mkdir(parents=True)
    dev = {"api_url": f"http://127.0.0.1:{port}", "admin_key": "dev-key", "write_key": "w", "pid": 7}
    (folder / ".sojourn" / "dev.json").write_text(json.dumps(dev))
    return folder


def configured(home: Path, text: str = CONFIG, mode: int = 0o600) -> dict[str, str]:
    """An environment in which the config file says so."""
    environ = {"XDG_CONFIG_HOME": str(home)}
    file = config_file(environ)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)
    return environ


LIVE = Target("https://live.example.com", "live-key")
DEV = Target("http://127.0.0.1:9000", "dev-key")
ENVIRONMENT = {"SOJOURN_API_URL": "https://env.example.com", "SOJOURN_API_KEY": "k"}


def test_each_goes_before_the_next(home: Path, dev_folder: Path) -> None:
    environ = configured(home)
    full = {**environ, **ENVIRONMENT, "SOJOURN_CONTEXT": "live"}
    assert find_target(context="live", environ=full, folder=dev_folder) == LIVE
    assert find_target(environ=full, folder=dev_folder) == Target("https://env.example.com", "k")
    assert find_target(environ={**environ, "SOJOURN_CONTEXT": "live"}, folder=dev_folder) == LIVE
    assert find_target(environ=environ, folder=dev_folder) == Target(STAGING, "staging-key")
    without_default = configured(home, CONFIG.replace('default_context = "staging"', ""))
    assert find_target(environ=without_default, folder=dev_folder) == DEV
    assert find_target(environ={**without_default, "SOJOURN_API_KEY": "k"}, folder=home) == Target(DEFAULT_URL, "k")


def test_what_runs_here_has_a_name_too(home: Path, dev_folder: Path) -> None:
    environ = configured(home)
    assert find_target(context="dev", environ=environ, folder=dev_folder) == DEV
    with pytest.raises(InvalidRequestError, match="no `sojourn dev` runs in this folder"):
        find_target(context="dev", environ=environ, folder=home)


def test_calls_that_ingest_have_the_key_of_a_dev_for_them(home: Path, dev_folder: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(home)}
    assert find_target(environ=environ, folder=dev_folder, ingests=True) == Target("http://127.0.0.1:9000", "w")
    given = {**environ, "SOJOURN_API_URL": "https://env.example.com", "SOJOURN_API_KEY": "k"}
    assert find_target(environ=given, folder=dev_folder, ingests=True) == Target("https://env.example.com", "k")


def test_what_runs_above_is_found(tmp_path: Path, dev_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "SOJOURN_API_KEY": "k"}
    below = dev_folder / "shop" / "mails"
    below.mkdir(parents=True)
    assert find_target(environ=environ, folder=below) == DEV
    # One that runs goes before a nearer one that does not, and the nearer of two before the other.
    (below / ".sojourn").mkdir()
    assert find_target(environ=environ, folder=below) == DEV
    run_in(dev_folder / "shop", 9001)
    assert find_target(environ=environ, folder=below).api_url == "http://127.0.0.1:9001"
    # Not above the home, and not of another user.
    monkeypatch.setenv("HOME", str(below))
    assert find_target(environ=environ, folder=below).api_url == DEFAULT_URL
    monkeypatch.setenv("HOME", "/")
    monkeypatch.setattr(os, "geteuid", lambda: dev_folder.stat().st_uid + 1)
    assert find_target(environ=environ, folder=below).api_url == DEFAULT_URL


def test_a_stopped_dev_is_to_be_started(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    (tmp_path / ".sojourn").mkdir()
    (tmp_path / "shop").mkdir()
    for folder in (tmp_path, tmp_path / "shop"):
        with pytest.raises(InvalidRequestError, match=f"the `sojourn dev` of {tmp_path} does not run: start it there"):
            find_target(environ=environ, folder=folder)
    assert find_target(environ={**environ, "SOJOURN_API_KEY": "k"}, folder=tmp_path) == Target(DEFAULT_URL, "k")


def test_an_address_as_an_option_takes_the_key_of_the_environment(home: Path, dev_folder: Path) -> None:
    url = "https://env.example.com"
    assert find_target(url=url, environ={"SOJOURN_API_KEY": "k"}, folder=dev_folder) == Target(url, "k")
    assert find_target(url=url + "/", environ=ENVIRONMENT, folder=dev_folder) == Target(url + "/", "k")


def test_the_key_of_the_deployments_own_processes_will_do(tmp_path: Path) -> None:
    environ = {"SOJOURN_ADMIN_KEY": "own", "XDG_CONFIG_HOME": str(tmp_path)}
    assert find_target(environ=environ, folder=tmp_path) == Target(DEFAULT_URL, "own")
    assert find_target(environ={**environ, "SOJOURN_API_KEY": "k"}, folder=tmp_path) == Target(DEFAULT_URL, "k")


def test_the_key_of_the_deployments_own_processes_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "admin_key").write_text("own\n")
    environ = {"SOJOURN_ADMIN_KEY_FILE": str(tmp_path / "admin_key"), "XDG_CONFIG_HOME": str(tmp_path)}
    assert find_target(environ={**environ, "SOJOURN_ADMIN_KEY": ""}, folder=tmp_path) == Target(DEFAULT_URL, "own")
    with pytest.raises(InvalidRequestError, match="SOJOURN_ADMIN_KEY goes to this machine only"):
        find_target(url=STAGING, environ=environ, folder=tmp_path)
    with pytest.raises(
        InvalidRequestError, match="SOJOURN_ADMIN_KEY is given, and so is SOJOURN_ADMIN_KEY_FILE: unset"
    ):
        find_target(environ={**environ, "SOJOURN_ADMIN_KEY": "k"}, folder=tmp_path)
    with pytest.raises(InvalidRequestError, match="SOJOURN_ADMIN_KEY cannot be read: SOJOURN_ADMIN_KEY_FILE names"):
        find_target(environ={**environ, "SOJOURN_ADMIN_KEY_FILE": str(tmp_path / "none")}, folder=tmp_path)


def test_without_a_key_it_is_said_where_keys_come_from(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="`sojourn keys create` has made, or SOJOURN_ADMIN_KEY to the secret"):
        find_target(environ={"XDG_CONFIG_HOME": str(tmp_path)}, folder=tmp_path)


def test_a_key_goes_only_where_it_is_meant_to(home: Path, dev_folder: Path) -> None:
    environ = configured(home)
    # The development server's, and a context's, to no address of the environment or of an option.
    for url, given in ((None, {**environ, "SOJOURN_API_URL": STAGING}), (STAGING, environ)):
        with pytest.raises(InvalidRequestError, match=rf"no key for {STAGING}: set SOJOURN_API_KEY"):
            find_target(url=url, environ=given, folder=dev_folder)
    # The environment's to no other address, and to no context.
    with pytest.raises(InvalidRequestError, match=r"is meant for https://env\.example\.com"):
        find_target(url=STAGING, environ=ENVIRONMENT, folder=dev_folder)
    keyless = configured(home, f'[contexts.staging]\nurl = "{STAGING}"\n')
    with pytest.raises(InvalidRequestError, match="context staging has no key"):
        find_target(context="staging", environ={**keyless, **ENVIRONMENT}, folder=dev_folder)


def test_a_folder_never_gets_the_key_of_the_environment(home: Path, dev_folder: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(home), "SOJOURN_API_KEY": "production", "SOJOURN_ADMIN_KEY": "production"}
    assert find_target(environ=environ, folder=dev_folder) == DEV
    assert find_target(context="dev", environ=environ, folder=dev_folder) == DEV


@pytest.mark.parametrize(
    "url",
    ["https://evil.example", "http://127.0.0.1.evil.example", "http://localhost@evil.example", "http://10.0.0.1", "u"],
)
def test_a_folder_names_no_other_machine(home: Path, dev_folder: Path, url: str) -> None:
    (dev_folder / ".sojourn" / "dev.json").write_text(json.dumps({"api_url": url, "admin_key": "k", "write_key": "w"}))
    environ = {"XDG_CONFIG_HOME": str(home), "SOJOURN_API_KEY": "production"}
    with pytest.raises(InvalidRequestError, match=r"dev\.json names .* which is another machine"):
        find_target(environ=environ, folder=dev_folder)


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_write_is_not_taken(home: Path, dev_folder: Path, mode: int) -> None:
    (dev_folder / ".sojourn" / "dev.json").chmod(mode)
    with pytest.raises(InvalidRequestError, match=r"dev\.json is not yours alone"):
        find_target(environ={"XDG_CONFIG_HOME": str(home)}, folder=dev_folder)


def test_a_file_of_another_user_is_not_taken(home: Path, dev_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = (dev_folder / ".sojourn" / "dev.json").stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(InvalidRequestError, match=r"dev\.json is not yours alone"):
        find_target(environ={"XDG_CONFIG_HOME": str(home)}, folder=dev_folder)


@pytest.mark.parametrize("key", ["SOJOURN_ADMIN_KEY", "SOJOURN_API_KEY"])
@pytest.mark.parametrize("named", [{"url": "http://[x"}, {"context": "broken"}, {}])
def test_what_is_no_address_is_refused(home: Path, key: str, named: dict[str, str]) -> None:
    """With whatever key: some are looked up for this machine alone."""
    environ = configured(home, '[contexts.broken]\nurl = "http://[x"\nkey = "k"\n') | {key: "k"}
    if not named:
        environ["SOJOURN_API_URL"] = "http://[x"
    with pytest.raises(InvalidRequestError, match=r"http://\[x is not an address such as http://localhost:8080"):
        find_target(context=named.get("context"), url=named.get("url"), environ=environ, folder=home)


@pytest.mark.parametrize("url", ["https://sojourn.example.com", "http://10.0.0.1:8080"])
def test_the_admin_key_of_a_deployment_goes_to_this_machine_or_where_it_is_told(home: Path, url: str) -> None:
    environ = {"XDG_CONFIG_HOME": str(home), "SOJOURN_ADMIN_KEY": "own"}
    with pytest.raises(InvalidRequestError, match=r"SOJOURN_ADMIN_KEY goes to this machine only"):
        find_target(url=url, environ=environ, folder=home)
    assert find_target(url="http://[::1]:8080", environ=environ, folder=home).key == "own"
    assert find_target(environ={**environ, "SOJOURN_API_URL": url}, folder=home) == Target(url, "own")


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_keys_in_a_file_are_for_its_owner_alone(home: Path, mode: int) -> None:
    environ = configured(home, mode=mode)
    with pytest.raises(InvalidRequestError, match="others can read it: chmod 600 "):
        find_target(environ=environ, folder=home)


def test_a_file_without_keys_may_be_read_by_all(home: Path) -> None:
    text = CONFIG.replace('key = "staging-key"', 'key_command = "printf staging-key"')
    assert find_target(environ=configured(home, text, mode=0o644), folder=home) == Target(STAGING, "staging-key")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("default_context = ", "Invalid value"),
        ("[contexts.a]\nurl = 7", r"Expected `str`, got `int`"),
        ("[contexts.a]\nkey = 'k'", "missing required field `url`"),
        ("[contexts.a]\nurl = 'u'\nkye = 'k'", "unknown field `kye`"),
        (
            "default_context = 'b'\n[contexts.a]\nurl = 'u'",
            r"there is no context b in .*config\.toml; there are a, dev",
        ),
    ],
)
def test_a_config_file_that_nobody_understands(home: Path, text: str, told: str) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        find_target(environ=configured(home, text), folder=home)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("false", "with status 1"),
        ("true", "it printed nothing"),
        ("no-such-command-here", "No such file"),
        ("'", "No closing quotation"),
    ],
)
def test_a_command_that_tells_no_key(home: Path, command: str, told: str) -> None:
    environ = configured(home, f'[contexts.a]\nurl = "u"\nkey_command = "{command}"')
    with pytest.raises(InvalidRequestError, match=rf"key_command of context a failed.*{told}"):
        find_target(context="a", environ=environ, folder=home)


@pytest.mark.parametrize("text", ["", "{", "\x00", "[]", '{"api_url": "u"}'])
def test_a_broken_file_is_named(dev_folder: Path, text: str) -> None:
    (dev_folder / ".sojourn" / "dev.json").write_text(text)
    with pytest.raises(InvalidRequestError, match=r"dev\.json cannot be read"):
        find_target(environ={"XDG_CONFIG_HOME": str(dev_folder)}, folder=dev_folder)


def test_keys_do_not_show(home: Path) -> None:
    assert "secret" not in repr(Target("http://localhost", "secret"))
    environ = configured(home)
    assert "staging-key" not in repr(read_config(config_file(environ)))
