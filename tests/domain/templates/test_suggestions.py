"""A remedy names what the author of a template has most likely meant."""

import pytest

from domain.templates.template_sets import load
from tests.domain.templates.sources import email


def remedy(text: str) -> str:
    [problem] = load({"a.liquid": text})[1]
    return problem.suggestion


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("profile.first_name", "profile.traits.first_name"),
        ("profile.trats.first_name", "traits"),
        ("traits.x", "profile.traits.x"),
        ("properties.items[0].name", "entry.properties.items.0.name"),
        ("event.properties.x", "entry.properties.x"),
        ("entry.x", "entry.properties.x"),
        ("saved.level", "journey.saved.level"),
        ("'a' | upper", "upcase"),
        ("1 | currency", "money"),
        ("'a' | titlecase", "capitalize"),
        ("'a' | upcas", "upcase"),
    ],
)
def test_a_name_is_traced_to_what_it_may_mean(written: str, meant: str) -> None:
    assert remedy(email(f"{{{{ {written} }}}}")).startswith(f"Did you mean `{meant}`? ")


def test_a_filter_like_no_other_leads_to_the_list() -> None:
    assert remedy(email("{{ 'a' | zzz }}")) == "docs/templates.md lists the filters"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{{ 1 | money: EUR }}", 'Put a text in quotes: "EUR". '),
        ("{{ 'now' | date: %d %B }}", "Put the layout in quotes: date: '%d %B'"),
        ("{% if profile.user_id %}x{% end %}", "Write {% endif %}"),
        ("{% for i in (1..2) %}{% if i == 1 %}x{% endif %}{% endfro %}", "Write {% endfor %}"),
        ("x{% end %}", "Leave it out: nothing is open here"),
    ],
)
def test_a_slip_of_syntax_has_the_right_form_as_its_remedy(written: str, said: str) -> None:
    assert remedy(email(written)).startswith(said)


def test_an_output_without_its_end_is_blamed_for_the_yaml_that_it_breaks() -> None:
    text = '---\nchannel: email\nsubject: Hi {{ x | default: "x" }\ntext: "{{ profile.user_id }}"\n---\nx'
    [problem] = load({"a.liquid": text})[1]
    assert (problem.line, problem.message, problem.suggestion) == (3, "`{{` has no `}}`", "Close it with `}}`")
