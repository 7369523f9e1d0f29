"""docs/settings.md is what settings.py says, and what it says is so."""

import re
from pathlib import Path

import pytest

from settings import Settings
from settings_sources import SecretFiles
from settings_temporal import CodecServerSettings
from tests import generated
from tests.docs.settings_page import CLASSES, PAGE, own_fields, page

DEFAULTS = re.findall(r"^\| `(SOJOURN_\w+)`[^|]*\|[^|]*\| `(.*?)` \|", PAGE.read_text(), re.MULTILINE)
REQUIRED = {
    "SOJOURN_DATABASE_URL": "postgresql://sojourn@localhost/sojourn",
    "SOJOURN_LINK_SECRET": generated.LINK_SECRET,
    "SOJOURN_WEBHOOK_SIGNING_SECRET": generated.SIGNING_SECRET,
}


@pytest.fixture
def required(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in REQUIRED.items():
        monkeypatch.setenv(variable, value)


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run `make settings`"


def test_every_setting_stands_in_one_section() -> None:
    shown = [name for described in CLASSES.values() for name in own_fields(described)]
    assert sorted(shown) == sorted({**Settings.model_fields, **CodecServerSettings.model_fields})


def test_every_setting_has_a_meaning() -> None:
    for described in CLASSES.values():
        assert all(field.description for field in own_fields(described).values())


def test_required_are_those_that_the_page_says() -> None:
    said = re.findall(r"^\| `(\w+)`.*\| required \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(said) == sorted(REQUIRED)


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize(("variable", "default"), DEFAULTS)
def test_a_default_can_be_given_as_the_page_writes_it(
    variable: str, default: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = variable.removeprefix("SOJOURN_").lower()
    before = getattr(Settings(), name)
    monkeypatch.setenv(variable, default)
    assert getattr(Settings(), name) == before


def test_the_page_has_defaults() -> None:
    assert len(DEFAULTS) > 15


def test_secrets_may_stand_in_files_and_nothing_else(tmp_path: Path) -> None:
    (file := tmp_path / "secret").write_text("of the file\n")
    said = set(re.findall(r"`SOJOURN_(\w+)_FILE`", PAGE.read_text()))
    for described in (Settings, CodecServerSettings):
        environ = {f"SOJOURN_{name.upper()}_FILE": str(file) for name in described.model_fields}
        found = SecretFiles(described, environ)()
        assert {name.upper() for name in found} == said & {name.upper() for name in described.model_fields}
        assert set(found.values()) == {"of the file"}
