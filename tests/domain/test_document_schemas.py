"""The JSON Schemas as an independent validator reads them."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema_rs import Draft202012Validator, meta

from domain.document.yaml_source import read
from domain.document_schemas import FILE_NAMES, document_schema
from tests.domain.campaign.documents import COMPLETE, HEAD, documents, mistaken, problems, steps
from tests.domain.campaign.test_examples import CAMPAIGNS, CAPS, ROOT
from tests.proofs import rounds

CAMPAIGN, FREQUENCY_CAPS = (Draft202012Validator(document_schema(name)) for name in ("campaign", "frequency-caps"))


def accepts(validator: Draft202012Validator, text: str) -> bool:
    return validator.is_valid(read(text, "a.yaml").data)


def objects(name: str) -> dict[str, Any]:
    """The kinds of objects that a schema knows, by name."""
    schema = document_schema(name)
    return {name: schema} | {key: one for key, one in schema.get("$defs", {}).items() if one.get("type") == "object"}


@pytest.mark.parametrize("name", FILE_NAMES)
def test_what_is_shipped_is_what_is_generated(name: str) -> None:
    shipped = (ROOT / "schemas" / f"{name}.schema.json").read_text()
    assert shipped == json.dumps(document_schema(name), indent=2, ensure_ascii=False) + "\n", "run `make schemas`"


@pytest.mark.parametrize("name", FILE_NAMES)
def test_it_is_a_schema(name: str) -> None:
    schema = document_schema(name)
    meta.validate(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:sojourn:schema:{name}"


@pytest.mark.parametrize("name", FILE_NAMES)
def test_it_speaks_to_authors(name: str) -> None:
    for kind, one in objects(name).items():
        assert one["description"], kind
        assert not {"Spec", "Step", "Model", "Document"} & set(one["title"].split()), kind
        for key, field in one["properties"].items():
            # Only what stands within a step is described where it is defined.
            assert "description" in field or field["$ref"].endswith("Spec"), f"{kind}.{key}"


@pytest.mark.parametrize("name", FILE_NAMES)
def test_defaults_have_the_form_that_authors_write(name: str) -> None:
    definitions = document_schema(name).get("$defs", {})
    defaults = [
        (key, field) for one in objects(name).values() for key, field in one["properties"].items() if "default" in field
    ]
    for key, field in defaults:
        assert Draft202012Validator({**field, "$defs": definitions}).is_valid(field["default"]), key
    assert {key: field["default"] for key, field in defaults if key in ("expires", "to", "on_capped")} == (
        {"expires": "7d", "to": "24:00", "on_capped": "skip"} if name == "campaign" else {}
    )


@pytest.mark.parametrize("path", CAMPAIGNS, ids=lambda path: path.stem)
def test_every_example_is_valid(path: Path) -> None:
    assert accepts(CAMPAIGN, path.read_text())


@pytest.mark.parametrize("path", CAPS, ids=lambda path: path.stem)
def test_the_examples_of_caps_are_valid(path: Path) -> None:
    assert accepts(FREQUENCY_CAPS, path.read_text())


def test_a_complete_document_is_valid() -> None:
    assert accepts(CAMPAIGN, COMPLETE)


@pytest.mark.prove
@given(documents())
@settings(max_examples=rounds(20, 400))
def test_every_document_that_can_be_published_is_valid(text: str) -> None:
    assert accepts(CAMPAIGN, text)


@pytest.mark.prove
@given(mistaken())
@settings(max_examples=rounds(20, 400))
def test_what_is_not_valid_cannot_be_published(text: str) -> None:
    assert accepts(CAMPAIGN, text) or problems(text)


_WRONG_STEPS = [
    "{id: a}",
    "{delay: 1h}",
    "{id: A, delay: 1h}",
    "{id: a, delay: 30}",
    "{id: a, delay: 1 day}",
    "{id: a, delay: 30m1h}",
    "{id: a, delay: m}",
    "{id: a, delay: }",
    "{id: a, delay: {}}",
    "{id: a, delay: {for: 1h}}",
    "{id: a, delay: {until: 9:00}}",
    "{id: a, delay: {until: 09:00, days: []}}",
    "{id: a, delay: {until: 09:00, days: [mon, mon]}}",
    "{id: a, delay: {until: 09:00, days: [monday]}}",
    "{id: a, delay: {date: entry.timestamp, offset: 3}}",
    "{id: a, delay: {date: entry.timestamp, if_past: skip}}",
    "{id: a, delay: {date: entry.timestamp, days: [mon]}}",
    "{id: a, delay: 1h, send: {channel: email, template: hello}}",
    "{id: a, send: {channel: fax, template: hello}}",
    "{id: a, send: {channel: email}}",
    "{id: a, send: {channel: email, template: hello.liquid}}",
    "{id: a, send: {channel: email, template: hello, expires: 6}}",
    "{id: a, send: {channel: email, template: hello}, expires: 6h}",
    "{id: a, wait_for: {event: X}}",
    "{id: a, wait_for: {timeout: 1d}}",
    "{id: a, wait_for: {event: X, events: [{event: Y}], timeout: 1d}}",
    "{id: a, wait_for: {events: [{event: Y}], where: 'true', timeout: 1d}}",
    "{id: a, wait_for: {events: [], timeout: 1d}}",
    "{id: a, branch: []}",
    "{id: a, branch: [{when: true, do: []}]}",
    "{id: a, branch: [{when: 'true'}]}",
    "{id: a, split: {arms: {a: 1}}, a: []}",
    "{id: a, split: {arms: {a: 1, B: 1}}, a: [], B: []}",
    "{id: a, split: {arms: {a: 0.5, b: 1}}, a: [], b: []}",
    "{id: a, split: {arms: {a: -1, b: 1}}, a: [], b: []}",
    "{id: a, split: {arms: {a: 1, exit: 1}}, a: [], exit: []}",
    "{id: a, split: {arms: {a: 1, b: 1}}, a: [], b: {}}",
    "{id: a, split: {arms: {a: 1, b: 1}}, a: [], b: [{exit: X}]}",
    "{id: a, repeat: {times: 2}, do: [{id: b, delay: 1h}]}",
    "{id: a, repeat: {every: 1d, times: 1}, do: [{id: b, delay: 1h}]}",
    "{id: a, repeat: {every: 1d, times: 2}, do: []}",
    "{id: a, repeat: {every: 1d, times: 2}}",
    "{id: a, repeat: {every: 1d, until: {}}, do: [{id: b, delay: 1h}]}",
    "{id: a, repeat: {every: 1d, until: {event: X, when: 'true'}}, do: [{id: b, delay: 1h}]}",
    "{id: a, repeat: {every: 1d, until: {when: 'true', where: 'true'}}, do: [{id: b, delay: 1h}]}",
    "{id: a, update_profile: {}}",
    "{id: a, update_profile: {consent: true}}",
    "{id: a, update_profile: {a: {b: 1}}}",
    "{id: a, update_profile: {a: [[1]]}}",
    "{id: a, set_stage: Active User}",
    "{id: a, emit_event: {properties: {a: 1}}}",
    "{id: a, emit_event: {event: ' X'}}",
    "{id: a, exit: Bought}",
    "{exit: }",
]


@pytest.mark.parametrize("step", _WRONG_STEPS)
def test_a_wrong_step_is_not_valid(step: str) -> None:
    text = steps(f"  - {step}\n")
    assert not accepts(CAMPAIGN, text)
    assert problems(text)


@pytest.mark.parametrize(
    "line",
    [
        "stage:",
        "scheduel: {}",
        "timezone: 1",
        "schedule: {starts_at: 2026-11-01}",
        "schedule: {starts_at: 2026-11-01T09:00:00}",
        "schedule: {at_end: stop}",
        "exit: []",
        "exit: {event: X}",
        "goal: {event: X}",
        "goal: {event: X, within: 7}",
        "goal: {event: X, within: 7d, exit_on_goal: yes}",
        "send_window: {from: 9:00}",
        "send_window: {from: '24:00'}",
        "on_resume: later",
        "on_resume: [skip]",
        "on_resume: {overdue: later}",
        "on_resume: {rate: 0}",
        "on_resume: {rate: 10001}",
        "on_resume: {rate: 1.5}",
        "entry: {event: X, reentry: 7d}",
        "entry: {event: X, reentry: {after: 7}}",
        "entry: X",
        "key: A Key",
        "name: ''",
        "steps: []",
    ],
)
def test_a_wrong_head_is_not_valid(line: str) -> None:
    key = line.partition(":")[0]
    kept = [each for each in (HEAD + "steps: [{id: a, delay: 1h}]").splitlines() if not each.startswith(f"{key}:")]
    text = "\n".join([*kept, line])
    assert not accepts(CAMPAIGN, text)
    assert problems(text)


@pytest.mark.parametrize(
    "rule",
    [
        "{limit: 1, per: 1d}",
        "{name: A B, limit: 1, per: 1d}",
        "{name: a}",
        "{name: a, limit: 1}",
        "{name: a, per: 1d}",
        "{name: a, limit: 0, per: 1d}",
        "{name: a, limit: 1, per: 7}",
        "{name: a, limit: 1, per: day}",
        "{name: a, limit: 1, per: calendar_year}",
        "{name: a, min_gap: 4}",
        "{name: a, limit: 1, per: 1d, channels: []}",
        "{name: a, limit: 1, per: 1d, channels: [fax]}",
        "{name: a, limit: 1, per: 1d, categories: [transactional]}",
        "{name: a, limit: 1, per: 1d, counts: [low]}",
        "{name: a, limit: 1, per: 1d, every: 1d}",
    ],
)
def test_a_wrong_rule_is_not_valid(rule: str) -> None:
    assert not accepts(FREQUENCY_CAPS, f"rules: [{rule}]")
