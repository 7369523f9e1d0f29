"""page-triggers.yaml: what a page may report by itself, what is wrong with a document, and what is asked for."""

from pathlib import Path
from typing import Any

import pytest

from domain.errors import InvalidDocumentError
from domain.tracking.event import Trigger
from domain.tracking.page_triggers import PageTrigger, select_heard
from domain.tracking.page_triggers_document import (
    INITIAL_PAGE_TRIGGERS,
    MAX_PAGE_TRIGGERS,
    parse_page_triggers,
    to_document,
)

EXAMPLE = Path(__file__).parents[3] / "examples" / "page-triggers" / "page-triggers.yaml"
HEAD = "name: a, event: A, "


def test_the_example_has_most_kinds_and_is_written_back_as_it_was() -> None:
    rules = parse_page_triggers(EXAMPLE.read_text(), str(EXAMPLE))
    assert rules[0] == PageTrigger("pricing-hover", "Pricing Studied", "dwell", ("/pricing",), "#plans", 5)
    assert to_document(rules[0]) == {
        **{"name": "pricing-hover", "event": "Pricing Studied", "kind": "dwell"},
        **{"where": ["/pricing"], "element": "#plans", "seconds": 5},
    }
    assert rules[-1].properties == {"feature": "export"}
    assert {one.kind for one in rules} == {"dwell", "time_on_page", "scroll", "exit_intent", "feature_used"}
    assert parse_page_triggers(INITIAL_PAGE_TRIGGERS, "p.yaml") == ()


def test_what_no_rule_names_is_not_asked_for() -> None:
    rules = parse_page_triggers(EXAMPLE.read_text(), str(EXAMPLE))
    named = {Trigger("track", "Article Read"), Trigger("page", "Pricing Studied")}
    assert [one.name for one in select_heard(rules, named.__contains__)] == ["article-read"]


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("{name: a, event: A}", "`kind` is missing"),
        (f"{{{HEAD}kind: hover, element: a, seconds: 1}}", "`hover` is not an occasion"),
        ("lingers", "`lingers` is not a page trigger"),
        (f"{{{HEAD}kind: dwell, element: '#a'}}", "seconds"),
        (f"{{{HEAD}kind: dwell, element: '//div', seconds: 3}}", "`//div` is not a selector of CSS"),
        (f"{{{HEAD}kind: dwell, seconds: 3}}", "element"),
        (f"{{{HEAD}kind: dwell, element: '#a', seconds: 0}}", "seconds"),
        (f"{{{HEAD}kind: dwell, element: '//a[1]', seconds: 3}}", "`//a[1]` is not a selector of CSS"),
        (f"{{{HEAD}kind: scroll, percent: 101}}", "percent"),
        (f"{{{HEAD}kind: exit_intent, seconds: 3}}", "the key `seconds` is not known here"),
        (f"{{{HEAD}kind: exit_intent, once_per: visit}}", "once_per"),
        (f"{{{HEAD}kind: exit_intent, where: [pricing]}}", "`/pricing`"),
        (f"{{{HEAD}kind: exit_intent, where: ['/a b']}}", "`/a b` is not a pattern of addresses"),
        (f"{{{HEAD}kind: exit_intent, where: ['javascript:alert']}}", "is not a pattern of addresses"),
        (f"{{{HEAD}kind: exit_intent, properties: {{a: {{b: 1}}}}}}", "properties"),
        ("{name: a, event: '“A”', kind: exit_intent}", "the quotes are part of the name"),
        (f"{{{HEAD}kind: exit_intent}}, {{{HEAD}kind: exit_intent}}", "`a` is used twice"),
        (", ".join(f"{{name: a{n}, event: A, kind: exit_intent}}" for n in range(MAX_PAGE_TRIGGERS + 1)), "triggers"),
    ],
)
def test_what_is_wrong_is_named(rule: str, problem: str) -> None:
    with pytest.raises(InvalidDocumentError) as refused:
        parse_page_triggers(f"triggers: [{rule}]", "page-triggers.yaml")
    found: list[Any] = list(refused.value.problems)
    assert problem in str([(one.path, one.message, one.suggestion) for one in found]), found
