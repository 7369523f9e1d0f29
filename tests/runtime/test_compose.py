"""docker-compose.yml says what the code expects. (Docker itself is no part of the tests.)"""

from typing import Any

import pytest
import yaml

from runtime.temporal import SEARCH_ATTRIBUTES
from settings import Settings
from tests.runtime.conftest import ROOT


@pytest.fixture
def services() -> dict[str, Any]:
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    found: dict[str, Any] = document["services"]
    return found


def test_all_search_attributes_are_registered(services: dict[str, Any]) -> None:
    registered: dict[str, str] = {}
    kind = ""
    words = services["temporal-setup"]["command"][0].split()
    for option, value in zip(words, words[1:], strict=False):
        if option == "--type":
            kind = value
        if option == "--name":
            registered[value] = kind
    assert registered == SEARCH_ATTRIBUTES


def test_every_setting_is_known_and_every_required_one_is_given(services: dict[str, Any]) -> None:
    known = {f"SOJOURN_{name.upper()}": field.is_required() for name, field in Settings.model_fields.items()}
    for part in ("migrate", "api", "worker"):
        given = services[part]["environment"]
        assert given.keys() <= known.keys()
        assert {name for name, is_required in known.items() if is_required} <= given.keys()


def test_no_secret_has_a_default(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if value is not None and any(word in name for word in ("PASSWORD", "PWD", "KEY", "SECRET")):
                assert value.startswith("${")
                assert ":-" not in value
