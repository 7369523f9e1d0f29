"""The small Markdown of rich texts: its tree, and values that stay text in it."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.templates.markdown import (
    UNKNOWN,
    find_unread,
    flatten,
    hide_syntax,
    iter_nodes,
    parse_markdown,
    parse_source,
)


def brief(nodes: list[dict[str, Any]]) -> str:
    """A tree as XML would have it."""
    texts = []
    for node in nodes:
        tag, inner = node["t"], brief(node.get("c", []))
        given = "".join(f" {key}={node[key]}" for key in ("href", "src", "alt") if key in node)
        texts.append(
            node["v"] if tag == "text" else f"<{tag}{given}>{inner}</{tag}>" if "c" in node else f"<{tag}{given}>"
        )
    return "".join(texts)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a\nb\n\nc", "<p>a b</p><p>c</p>"),
        ("a  \nb\\\nc", "<p>a<br>b<br>c</p>"),
        ("**a** *b* ***c***", "<p><b>a</b> <i>b</i> <b><i>c</i></b></p>"),
        ("**a *b* c** *d **e** f*", "<p><b>a <i>b</i> c</b> <i>d <b>e</b> f</i></p>"),
        ("2 * 3 * 4 and a*b", "<p>2 * 3 * 4 and a*b</p>"),
        ("**open and *open", "<p>**open and *open</p>"),
        ("**** **  ** \\*a\\* \\\\", "<p> ** ** *a* \\</p>"),
        ("[a **b**](/x)", "<p><a href=/x>a <b>b</b></a></p>"),
        ("[a](/x(1)) [b]( /y )", "<p><a href=/x(1)>a</a> <a href=/y>b</a></p>"),
        ("[a [b](c)", "<p>[a <a href=c>b</a></p>"),
        ("[a](b [c] (d) \\[e](f)", "<p>[a](b [c] (d) [e](f)</p>"),
        ("![a [b]](/c.png) [![d](/e)](/f)", "<p><img src=/c.png alt=a [b]> <a href=/f><img src=/e alt=d></a></p>"),
        ("[a]() ![b]()", "<p>a </p>"),
        ("- a\n- b\n  c\n* d\n\ne", "<ul><li>a</li><li>b c</li><li>d</li></ul><p>e</p>"),
        ("a\n- b", "<p>a</p><ul><li>b</li></ul>"),
        ("-a\n\n-", "<p>-a</p><p>-</p>"),
        ("# a <b>", "<p># a <b></p>"),
        ("", ""),
    ],
)
def test_a_text_has_this_tree(text: str, tree: str) -> None:
    assert brief(parse_markdown(text)) == tree


def test_a_value_is_hidden_from_the_syntax() -> None:
    hidden = hide_syntax("**a** [b](c)\n- d")
    assert brief(parse_markdown(f"x {hidden} *{hidden}*")) == "<p>x **a** [b](c) - d <i>**a** [b](c) - d</i></p>"
    assert brief(parse_markdown(f"[{hidden}](/{hidden})")) == "<p><a href=/**a** [b](c)\n- d>**a** [b](c) - d</a></p>"
    assert parse_markdown(f"**{hide_syntax('')}** *{hide_syntax('')}*") == []
    assert hide_syntax(hidden).replace(hide_syntax(""), "") == hidden.replace(hide_syntax(""), "")


@given(st.text(), st.text("*_[]()!\\-\n ab", max_size=30))
def test_any_text_has_a_tree_of_known_nodes(text: str, written: str) -> None:
    for source in (text, written, hide_syntax(text)):
        for node in iter_nodes(parse_markdown(source)):
            assert node["t"] in {"p", "ul", "li", "b", "i", "a", "img", "text", "br"}
            assert node.get("c", True)


@given(st.text())
def test_a_value_is_shown_as_it_is(value: str) -> None:
    shown = flatten(parse_markdown(hide_syntax(value)))
    assert "".join(shown.split()) == "".join("".join(filter(lambda one: one >= " " and one != "\x7f", value)).split())


@pytest.mark.parametrize(
    "part",
    ["*a", "**a", "[x](", "[", "![x](", "* ", "a*", "**", "- ", "[a](b)", "*[a*](b", "***a", " **", "[[a](b)", "("],
)
def test_a_text_is_read_in_linear_time(part: str) -> None:
    text = part * (16_000 // len(part))
    begun = time.process_time()
    parse_markdown(text)
    assert time.process_time() - begun < 1


def test_liquid_is_unknown_in_an_authors_text() -> None:
    [node] = parse_source("[{{ a | default: '](' }}](/{% if b %}x{% endif %})")
    assert json.dumps(node["c"][0]["href"]) == json.dumps(f"/{UNKNOWN}x{UNKNOWN}")
    assert flatten([node]).strip() == UNKNOWN


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a\n# b", "a heading"),
        ("1. a", "a list with numbers"),
        ("```\na\n```", "a block of code"),
        ("> a", "a quotation"),
        ("a `b`", "code"),
        ("a <b>c</b>", "HTML"),
    ],
)
def test_other_markdown_is_found(text: str, found: str) -> None:
    assert [name for _, name in find_unread(text)][:1] == [found]


@pytest.mark.parametrize("text", ["a # b", "1 < 2 > 1", "**a** [b](c)", "it's 3. o'clock", "a `b"])
def test_nothing_else_is_taken_for_markdown(text: str) -> None:
    assert list(find_unread(text)) == []
