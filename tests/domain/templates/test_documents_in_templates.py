"""Front matter and webhook bodies are read in the one dialect of all documents, and data never becomes structure."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from domain.document.yaml_source import read
from domain.templates.template_sets import load
from tests.domain.templates.sources import email, only, variables, webhook


def data_of(body: str, **properties: Any) -> Any:
    return only(webhook(body)).render(variables({"name": "Ana"}, **properties), None)["data"]


# What YAML 1.1 makes something else of, and what it is in YAML 1.2's core schema.
CORE = {
    "NO": "NO",
    "yes": "yes",
    "on": "on",
    "Off": "Off",
    "y": "y",
    "01234": 1234,
    "10:30": "10:30",
    "190:20:30": "190:20:30",
    "2026-01-01": "2026-01-01",
    "2026-01-01T10:00:00Z": "2026-01-01T10:00:00Z",
    "0b101": "0b101",
    "1_000": "1_000",
    "0o17": 15,
    "0x1F": 31,
    "1e3": 1000.0,
    "=": "=",
    "<<": "<<",
    "true": True,
    "~": None,
    "9007199254740993": 9007199254740993,
    "-9223372036854775808": -9223372036854775808,
    "18446744073709551615": 18446744073709551615,
    "2.50": 2.5,
}


@pytest.mark.parametrize("written", CORE)
def test_a_webhook_body_and_a_campaign_are_one_dialect(written: str) -> None:
    value = CORE[written]
    assert data_of(f"a: {written}\nb: [{written}]\n{written}: c\n") == {"a": value, "b": [value], written: "c"}
    assert read(f"a: {written}", "campaign.yaml").data == {"a": value}


@pytest.mark.parametrize("written", ["NO", "on", "10:30", "2026-01-01", "01234 streets"])
def test_front_matter_is_of_the_same_dialect(written: str) -> None:
    text = email().replace('subject: "s"', f"subject: {written}")
    assert only(text).render(variables(), None)["subject"] == written


@pytest.mark.parametrize("written", [".inf", "-.INF", ".nan", "1e999", "18446744073709551616", "-9223372036854775809"])
def test_a_number_that_cannot_be_kept_is_refused_with_its_line(written: str) -> None:
    _, (problem,) = load({"t.liquid": webhook(f"user: x\ndeep:\n  - {written}\n")})
    assert (problem.line, problem.path) == (7, "body.deep[0]")
    assert problem.suggestion == "Quote it to make it a text"
    assert read(f"a: [{written}]", "campaign.yaml").problems[0].path == "a[0]"


def test_a_zero_that_is_lost_is_warned_of() -> None:
    (warning,) = only(webhook("user: x\nzip: 01234\n")).warnings
    assert str(warning) == "t.liquid:6: body.zip: `01234` is the number 1234. To keep the zero, quote it: `'01234'`"


@pytest.mark.parametrize("make", [email(subject="x"), webhook("a: NO\n")])
def test_aliases_and_tags_are_refused_in_templates_too(make: str) -> None:
    for fault in ("key: &a x\nother: *a\n", "key: !!python/name:os.system x\n"):
        _, problems = load({"t.liquid": make.replace("channel:", f"{fault}channel:")})
        assert problems[0].path == "front matter"
        assert "is not allowed" in problems[0].message


ITEMS = [{"sku": "a-1", "qty": 2, "price": 9.5}, {"sku": 'b"2', "qty": 1, "price": None}]
BIG = 9007199254740993

AS_JSON = {
    "{{ entry.properties.items | json }}": ITEMS,
    "'{{ entry.properties.items | json }}'": ITEMS,
    '"{{ entry.properties.items | json }}"': ITEMS,
    "|\n  {{ entry.properties.items | json }}": ITEMS,
    "{{ entry.properties.items | map: 'qty' | json }}": [2, 1],
    "{{ entry.properties.items[0] | json }}": ITEMS[0],
    "{{ entry.properties.total | json }}": 120.5,
    "{{ entry.properties.id | json }}": BIG,
    "{{ entry.properties.paid | json }}": False,
    "{{ profile.traits.name | json }}": "Ana",
    "{{ entry.properties.missing | json }}": None,
    "{{ entry.properties.missing.deep | json }}": None,
    "{{ entry.properties.missing | default: 3 | json }}": 3,
    "{{ entry.properties.total | plus: 1 | json }}": 121.5,
    "{{ entry.properties.object | json }}": {"a": [1, {"b": None}]},
    # Without the filter, or with more than it, a text.
    "{{ entry.properties.total }}": "120.5",
    "{{ entry.properties.id }}": str(BIG),
    "'{{ entry.properties.paid }}'": "false",
    "'sum: {{ entry.properties.total | json }}'": "sum: 120.5",
    "{{ entry.properties.total | json | append: '' }}": "120.5",
    "{{ entry.properties.object }}": '{"a":[1,{"b":null}]}',
}
PROPERTIES = {"items": ITEMS, "total": 120.5, "id": BIG, "paid": False, "object": {"a": [1, {"b": None}]}}


@pytest.mark.parametrize("written", AS_JSON)
def test_values_go_out_as_json_where_the_template_says_so(written: str) -> None:
    assert data_of(f"a: {written}\nb: x\n", **PROPERTIES) == {"a": AS_JSON[written], "b": "x"}


JSON_BODY = """{
\t"user": "{{ profile.user_id }}",
\t"items": {{ entry.properties.items | json }},
\t"first":{{ entry.properties.items | first | json }},
\t"note": "a \\"quoted\\" \\u00e9 \\ud83d\\ude00 \\/ {{ profile.traits.name | default: \\"you\\" }}",
\t"list": [1, 2.5, true, null, "{{ entry.properties.total }}", {{ entry.properties.total | json }}],
\t"zip": "01234", "NO": {}
}
"""


def test_a_body_may_be_json() -> None:
    assert data_of(JSON_BODY, **PROPERTIES) == {
        "user": "u1",
        "items": ITEMS,
        "first": ITEMS[0],
        "note": 'a "quoted" é 😀 / Ana',
        "list": [1, 2.5, True, None, "120.5", 120.5],
        "zip": "01234",
        "NO": {},
    }


def test_any_json_object_is_a_body() -> None:
    plain = {"a": 1, "b": [True, None, 1.5, {"c": "d: e # f"}], "on": "*x", "e": [], "g": "\t\u2028\n"}
    for indent in (None, 2, "\t"):
        for ascii_only in (True, False):
            assert data_of(json.dumps(plain, indent=indent, ensure_ascii=ascii_only)) == plain


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
).filter(
    lambda value: not any(0xD800 <= ord(character) < 0xE000 for character in json.dumps(value, ensure_ascii=False))
)
TYPED = only(webhook('{"a": {{ entry.properties.v | json }}, "b": "{{ entry.properties.v }}", "c": "x"}'))
TYPED_YAML = only(webhook("a: {{ entry.properties.v | json }}\nc: x\n"))


@given(JSON_VALUES)
@example('","c":"evil')
@example("}, admin: true, x: {")
@example("\n  c: evil")
@example("{{ profile.user_id }}")
@example({"c": "evil", "a": {}})
def test_no_value_becomes_structure(value: Any) -> None:
    sent = json.loads(json.dumps(TYPED_YAML.render(variables(v=value), None)["data"], allow_nan=False))
    assert sent == {"a": value, "c": "x"}
    if value is not None:
        sent = json.loads(json.dumps(TYPED.render(variables(v=value), None)["data"], allow_nan=False))
        assert sent.keys() == {"a", "b", "c"}
        assert (sent["a"], sent["c"]) == (value, "x")
        assert isinstance(sent["b"], str)


# As authors write them at first: without quotes around Liquid.
UNQUOTED = {
    "{{ profile.traits.name }}": "Ana",
    'Hi {{ profile.traits.name | default: "you" }}': "Hi Ana",
    "Hi {{ profile.traits.missing | default: 'you: all' }}": "Hi you: all",
    "{% if profile.traits.name %}yes{% else %}no{% endif %}": "yes",
    '"Hi {{ profile.traits.missing | default: \\"you\\" }}"': "Hi you",
    '"Hi {{ profile.traits.missing | default: "you" }}"': "Hi you",
    "'Hi {{ profile.traits.missing | default: ''you'' }}'": "Hi you",
    "'Hi {{ profile.traits.missing | default: \"you\" }}'": "Hi you",
    ">-\n  {{ profile.traits.name }},\n  hello": "Ana, hello",
}


@pytest.mark.parametrize("written", UNQUOTED)
def test_liquid_needs_no_quotes_of_its_own(written: str) -> None:
    text = email().replace('subject: "s"', f"subject: {written}")
    assert only(text).render(variables({"name": "Ana"}), None)["subject"] == UNQUOTED[written]
    assert data_of(f"a: {written}\n") == {"a": UNQUOTED[written]}


def test_a_fault_in_unquoted_liquid_keeps_its_line() -> None:
    _, (problem,) = load({"t.liquid": webhook("a: 1\nb:\n  - {{ profile.user_idd }}\n")})
    assert (problem.line, problem.path) == (7, "body.b[0]")


def test_a_key_is_constant() -> None:
    _, (problem,) = load({"t.liquid": webhook("a:\n  {{ profile.user_id }}: 1\n")})
    assert (problem.line, problem.path, problem.message) == (6, "body.a", "a key must be a constant text")


def test_what_yaml_itself_dumps_is_read_back() -> None:
    values = {"a": ["01234", "NO", "10:30", 1.5, None, True], "b": {"c": "x: y"}}
    assert data_of(yaml.safe_dump(values)) == values


def test_raw_mjml_is_refused() -> None:
    body = "<!-- <mjml> is refused -->\n<mjml>\n<mj-body><mj-text>Hello</mj-text></mj-body>\n</mjml>\n"
    _, (problem,) = load({"t.liquid": email(body)})
    assert str(problem) == (
        "t.liquid:8: body: `<mjml` is MJML, and the file is HTML. "
        "Call the file NAME.mjml instead of NAME.liquid, so that it is compiled"
    )
    _, (problem,) = load({"t.liquid": email("<body>\n<mj-section>x</mj-section></body>")})
    assert problem.line == 8
    made = '<!--[if mso | IE]><table><![endif]--><div class="mj-column-per-100">x</div><style>.mj-outlook{}</style>'
    assert load({"t.liquid": email(made)})[1] == []
