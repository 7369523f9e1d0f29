"""The examples that ship with Sojourn are valid and say in their first line what they do."""

from pathlib import Path

import pytest

from domain.campaign.publishing import check
from domain.sending.caps_document import parse_caps

EXAMPLES = Path(__file__).parents[3] / "examples"
CAMPAIGNS = sorted(EXAMPLES.glob("*.yaml"))
TEMPLATES = {path.name: path.read_text() for path in (EXAMPLES / "templates").glob("*.liquid")}


@pytest.mark.parametrize("path", CAMPAIGNS, ids=lambda path: path.stem)
def test_a_campaign_can_be_published(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("# ")
    assert check(text, path.name, TEMPLATES).definition.key == path.stem


def test_every_template_is_used() -> None:
    used = {file for path in CAMPAIGNS for file in check(path.read_text(), path.name, TEMPLATES).templates}
    assert used == set(TEMPLATES)


def test_the_caps_can_be_applied() -> None:
    text = (EXAMPLES / "caps" / "frequency-caps.yaml").read_text()
    assert text.startswith("# ")
    assert [rule.name for rule in parse_caps(text, "frequency-caps.yaml")] == ["daily", "weekly-email"]
