"""The examples that ship with Sojourn are valid; their first lines say what schema they have and what they do."""

from pathlib import Path

import pytest

from cli.documents import templates_beside
from domain.ad_audiences.audiences_document import parse_audiences
from domain.campaign.publication import check
from domain.deployed_names import DeployedNames
from domain.people.computed_document import parse_computed
from domain.people.segment_document import SegmentSource, check_segments
from domain.sending.caps_document import parse_caps

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
SCENARIOS = sorted(EXAMPLES.glob("*.test.yaml"))
CAMPAIGNS = sorted({*EXAMPLES.glob("*.yaml")}.difference(SCENARIOS))
CAPS = sorted((EXAMPLES / "caps").glob("*.yaml"))
COMPUTED = EXAMPLES / "computed" / "computed.yaml"
# Those of the one document that all examples share.
TYPES = {trait.key: trait.rule.type for trait in parse_computed(COMPUTED.read_text(), COMPUTED.name)}
SEGMENTS = sorted((EXAMPLES / "segments").glob("*.yaml"))
AUDIENCES = EXAMPLES / "audiences" / "audiences.yaml"
NAMES = DeployedNames(
    TYPES,
    [path.stem for path in SEGMENTS],
    audiences=[one.name for one in parse_audiences(AUDIENCES.read_text(), AUDIENCES.name) if one.mirror is None],
)
TEMPLATES = templates_beside(EXAMPLES / "any.yaml")


@pytest.mark.parametrize("path", CAMPAIGNS, ids=lambda path: path.stem)
def test_a_campaign_can_be_published(path: Path) -> None:
    published = check(path.read_text(), path.name, TEMPLATES, NAMES)
    assert published.definition.key == path.stem
    assert published.definition.stage is not None
    assert published.warnings == []


def test_the_segments_can_be_applied_together() -> None:
    texts = [SegmentSource(path.read_text(), path.name) for path in SEGMENTS]
    checked = check_segments(texts, NAMES, {})
    assert [f"{one.key}.yaml" for one in checked] == [path.name for path in SEGMENTS]
    assert [list(one.warnings) for one in checked] == [[]] * len(SEGMENTS)


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        *((path, "campaign") for path in CAMPAIGNS),
        *((path, "frequency-caps") for path in CAPS),
        *((path, "segment") for path in SEGMENTS),
    ],
    ids=lambda value: value.stem if isinstance(value, Path) else value,
)
def test_the_first_lines_say_the_schema_and_what_it_does(path: Path, schema: str) -> None:
    directive, about, *_ = path.read_text().splitlines()
    named = directive.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == ROOT / "schemas" / f"{schema}.schema.json"
    assert about.startswith("# ")


def test_every_template_is_used() -> None:
    used = {file for path in CAMPAIGNS for file in check(path.read_text(), path.name, TEMPLATES).templates}
    assert used == set(TEMPLATES)


def test_the_caps_can_be_applied() -> None:
    rules = {path.stem: parse_caps(path.read_text(), path.name) for path in CAPS}
    assert [rule.name for rule in rules["frequency-caps"]] == ["daily", "weekly-email"]
    assert len(rules["all-kinds-of-rules"]) == 4
