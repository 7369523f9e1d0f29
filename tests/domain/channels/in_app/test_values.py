"""Whatever values a person has, a message stays the tree that its author wrote."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.templates.template_sets import TemplateRenderError
from tests.domain.channels.in_app.in_app_templates import in_app, render
from tests.domain.templates.sources import only
from tests.proofs import rounds

NAME = "{{ profile.traits.name }}"
BODY = f"""title: Hello {NAME}
text: |
  {NAME} and **{NAME}** with *{NAME}*, [see {NAME}](https://shop.example.com/?q={NAME} "x"),
  ![of {NAME}](/img/{NAME}.png)

  - {NAME}
  - [{NAME}](/x?{NAME})

  {NAME}
actions: [{{id: a, label: "Go, {NAME}", url: "/go?{NAME}"}}]
"""
TEMPLATE = only(in_app(BODY))
URL = "{{ profile.traits.url }}"
LINKS = only(in_app(f"text: '[a]({URL}) ![b]({URL})'\nactions: [{{id: a, label: b, url: '{URL}'}}]"))
HOSTILE = [
    "**b**",
    "](javascript:alert(1))",
    "[x](javascript:alert(1))",
    "\n\n- item\n\n# x",
    "<img src=x onerror=alert(1)>",
    "\\",
    "*",
    " ",
    "\x00\x7f\u202e",
    "\U0010fffd\U0010fffc\U0010002a",
    "{{ profile.user_id }}",
    '"}]}',
    "a)b](c",
]
VALUES = st.one_of(st.text(max_size=40), st.sampled_from(HOSTILE), st.text("*_[]()!\\-# \n<>", max_size=12))
NODES = {"text": {"v"}, "br": set(), "img": {"src", "alt"}, "a": {"href", "c"}}


def nodes_of(value: Any) -> Iterator[dict[str, Any]]:
    """All nodes of rich texts in a content."""
    if isinstance(value, dict):
        if "t" in value:
            yield value
        for inner in value.values():
            yield from nodes_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes_of(inner)


def shape(nodes: list[dict[str, Any]]) -> list[Any]:
    """A tree without its texts, in which texts side by side are one."""
    shapes: list[Any] = []
    for node in nodes:
        one = (node["t"], shape(node["c"])) if "c" in node else node["t"]
        if one != "text" or shapes[-1:] != ["text"]:
            shapes.append(one)
    return shapes


def links_of(content: Any) -> list[str]:
    found = [node[key] for node in nodes_of(content) for key in ("href", "src") if key in node]
    return found + [action["url"] for action in content["actions"] if "url" in action]


def test_a_value_is_text_wherever_it_stands() -> None:
    assert shape(render(TEMPLATE, {"name": "Ada"})["content"]["text"]) == [
        ("p", ["text", ("b", ["text"]), "text", ("i", ["text"]), "text", ("a", ["text"]), "text", "img"]),
        ("ul", [("li", ["text"]), ("li", [("a", ["text"])])]),
        ("p", ["text"]),
    ]


@pytest.mark.prove
@settings(max_examples=rounds(100, 5_000))
@example("")
@example("\n\n- a")
@given(VALUES)
def test_no_value_changes_the_tree_or_makes_a_link(value: str) -> None:
    wanted = render(TEMPLATE, {"name": "Ada"})["content"]
    content = render(TEMPLATE, {"name": value})["content"]
    for node in nodes_of(content):
        assert node.keys() - {"t"} == NODES.get(node["t"], {"c"})
    # A text that is empty is left out with what is around it.
    if any(not character.isspace() and character.isprintable() for character in value):
        assert shape(content["text"]) == shape(wanted["text"])
    for link in links_of(content):
        assert link.startswith(("https://shop.example.com/?q=", "/img/", "/x?", "/go?"))
        assert link.isascii()
        assert link.isprintable()
        assert " " not in link
    json.dumps(content)


@pytest.mark.prove
@settings(max_examples=rounds(100, 5_000))
@example("javascript:alert(1)")
@example("//evil.example.com")
@example("/\\evil.example.com")
@example("http://shop.example.com")
@example("https://shop.example.com@evil.example.com/")
@example(" \tjava\nscript:alert(1)")
@example("https:evil.example.com")
@given(st.one_of(VALUES, st.builds("".join, st.tuples(st.sampled_from(["https://", "/", "//", "http://"]), VALUES))))
def test_a_link_that_a_value_chooses_is_https_or_relative(value: str) -> None:
    try:
        content = render(LINKS, {"url": value})["content"]
    except TemplateRenderError:
        return
    for link in links_of(content):
        assert link.startswith(("https://", "/", "?", "#"))
        assert not link.startswith("//")
        assert link.isascii()
        assert link.isprintable()
        assert " " not in link
        assert "\\" not in link


@pytest.mark.parametrize("value", HOSTILE)
def test_a_captured_value_is_text_as_well(value: str) -> None:
    body = "text: '{% capture x %}a {{ profile.traits.v }}{% endcapture %}**{{ x }}** {{ x | slice: 1, 5 }}'"
    (paragraph,) = render(in_app(body), {"v": value})["content"]["text"]
    assert {node["t"] for node in nodes_of(paragraph)} == {"p", "b", "text"}


def test_tags_may_stand_around_markdown() -> None:
    body = """text: |
  {% if profile.traits.vip %}**Welcome back**{% else %}Welcome{% endif %}
  {% for item in profile.traits.items %}
  - {{ item }}
  {%- endfor %}
"""
    text = render(in_app(body), {"vip": True, "items": ["*a*", "b"]})["content"]["text"]
    assert shape(text) == [("p", [("b", ["text"])]), ("ul", [("li", ["text"]), ("li", ["text"])])]
    assert [node["v"] for node in nodes_of(text) if node["t"] == "text"] == ["Welcome back", "*a*", "b"]
