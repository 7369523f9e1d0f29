import json
from pathlib import Path

import pytest

from cli.target import DEFAULT_URL, Target, find_target
from domain.errors import InvalidRequestError


@pytest.fixture
def dev_folder(tmp_path: Path) -> Path:
    """A folder in which a development server runs."""
    (tmp_path / ".sojourn").mkdir()
    dev = {"api_url": "http://127.0.0.1:9000", "admin_key": "dev-key", "write_key": "w", "pid": 7}
    (tmp_path / ".sojourn" / "dev.json").write_text(json.dumps(dev))
    return tmp_path


def test_the_environment_goes_first(dev_folder: Path) -> None:
    environ = {"SOJOURN_API_URL": "https://sojourn.test", "SOJOURN_ADMIN_KEY": "k"}
    assert find_target(environ, dev_folder) == Target("https://sojourn.test", "k")


def test_the_development_server_of_this_folder(dev_folder: Path) -> None:
    assert find_target({}, dev_folder) == Target("http://127.0.0.1:9000", "dev-key")


def test_the_development_key_stays_at_home(dev_folder: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"no admin key for https://sojourn\.test: set SOJOURN_ADMIN_KEY"):
        find_target({"SOJOURN_API_URL": "https://sojourn.test"}, dev_folder)


def test_the_default_address(tmp_path: Path) -> None:
    assert find_target({"SOJOURN_ADMIN_KEY": "k"}, tmp_path) == Target(DEFAULT_URL, "k")


@pytest.mark.parametrize("text", ["", "{", "\x00"])
def test_a_broken_file_is_named(dev_folder: Path, text: str) -> None:
    (dev_folder / ".sojourn" / "dev.json").write_text(text)
    with pytest.raises(InvalidRequestError, match=r"dev\.json cannot be read"):
        find_target({}, dev_folder)


def test_keys_do_not_show() -> None:
    assert "secret" not in repr(Target("http://localhost", "secret"))
