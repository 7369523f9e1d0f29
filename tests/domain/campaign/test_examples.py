"""The examples that ship with Sojourn are valid; their first lines say what schema they have and what they do."""

from pathlib import Path

import pytest

from domain.campaign.publishing import check
from domain.sending.caps_document import parse_caps

EXAMPLES = Path(__file__).parents[3] / "examples"
CAMPAIGNS = sorted(EXAMPLES.glob("*.yaml"))
TEMPLATES = {path.name: path.read_text() for path in (EXAMPLES / "templates").glob("*.liquid")}
SCHEMA = "# yaml-language-server: $schema=../schemas/campaign.schema.json"


@pytest.mark.parametrize("path", CAMPAIGNS, ids=lambda path: path.stem)
def test_a_campaign_can_be_published(path: Path) -> None:
    text = path.read_text()
    schema, about, *_ = text.splitlines()
    assert schema == SCHEMA
    assert about.startswith("# ")
    definition = check(text, path.name, TEMPLATES).definition
    assert definition.key == path.stem
    assert definition.stage is not None


def test_every_template_is_used() -> None:
    used = {file for path in CAMPAIGNS for file in check(path.read_text(), path.name, TEMPLATES).templates}
    assert used == set(TEMPLATES)


def test_the_caps_can_be_applied() -> None:
    text = (EXAMPLES / "caps" / "frequency-caps.yaml").read_text()
    assert text.startswith("# ")
    assert [rule.name for rule in parse_caps(text, "frequency-caps.yaml")] == ["daily", "weekly-email"]
