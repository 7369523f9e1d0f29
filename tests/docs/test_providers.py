"""docs/providers.md is true: its documents are valid, its commands run, and its table is that of the code."""

import asyncio
import re
import shlex
from pathlib import Path

import pytest

from channels.registry import PROVIDERS
from cli.main import run
from domain.channels.kinds import CHANNELS
from domain.sending.providers.model import ProviderModel
from domain.sending.providers_document import parse_providers
from store.leases import SLICES
from tests.cli.conftest import Output, api_url, deployment, folder, no_logs
from tests.docs.tables import rows
from tests.harness import Harness

__all__ = ["api_url", "deployment", "folder", "no_logs"]  # fixtures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "providers.md").read_text()
DOCUMENT, *OTHERS, WARM_UP = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
CHECK = "sojourn providers check"
# `check` is run by tests/cli/test_provider_check.py, with a name server.
COMMANDS = [line for line in re.findall(r"^(sojourn .*)$", PAGE, re.MULTILINE) if line != CHECK]


async def test_the_commands_run(
    harness: Harness, deployment: str, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert len(COMMANDS) >= 4
    for line in COMMANDS:
        assert await asyncio.to_thread(run, shlex.split(line)[1:]) == 0, (line, capsys.readouterr())
    assert "password: {env: SOJOURN_SECRET_RELAY}" in capsys.readouterr().out


def test_the_documents_are_valid() -> None:
    assert [rule.name for rule in parse_providers(DOCUMENT, "providers.yaml")][:2] == ["relay", "second"]
    providers = DOCUMENT.partition("routes:")[0]
    assert parse_providers(providers + WARM_UP, "providers.yaml")
    assert all(parse_providers(one, "providers.yaml") for one in OTHERS)


def test_every_kind_is_listed_with_its_channels_and_keys() -> None:
    listed = {row[0].strip("`"): row[1:] for row in rows(PAGE, "## Kinds")}
    assert set(listed) == {kind.name for kind in PROVIDERS}
    for kind in PROVIDERS:
        channels, keys, *_ = [*listed[kind.name], ""]
        served = list(CHANNELS) if channels == "any" else re.findall(r"`(\w+)`", channels)
        assert served == [one for one in CHANNELS if kind.model.channels is None or one in kind.model.channels]
        own = [name for name in kind.model.named_fields() if name not in ProviderModel.model_fields]
        assert set(re.findall(r"`(\w+)`", keys)) == set(own)


def test_a_slice_is_as_small_as_the_page_says() -> None:
    assert f"a {SLICES}th of it" in PAGE
