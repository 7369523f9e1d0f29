"""Templates of in-app messages, and what they render to."""

from collections.abc import Mapping
from typing import Any

from domain.templates.template_sets import TemplateSet, load
from tests.domain.templates.sources import only, variables

COMMON = ("where", "after", "every", "between", "theme", "dir", "lang", "labels")
BANNER = "text: Your cart is **still** here."


def in_app(body: str = BANNER, front: str = "", *, kind: str = "banner") -> str:
    """The file of a template, whose further front matter begins on line 4."""
    return f"---\nchannel: in_app\nkind: {kind}\n{front}\n---\n{body}\n"


def render(template: TemplateSet | str, traits: Mapping[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    one = template if isinstance(template, TemplateSet) else only(template)
    return one.render(variables(traits, **properties), None)


def content(body: str = BANNER, front: str = "", *, kind: str = "banner", **traits: Any) -> dict[str, Any]:
    """The content of a message without the keys that all kinds have."""
    rendered = render(in_app(body, front, kind=kind), traits)["content"]
    return {key: value for key, value in rendered.items() if key not in COMMON}


def faults(text: str) -> list[tuple[int, str, str]]:
    """The line, the path and the message of each problem."""
    return [(problem.line, problem.path, problem.message) for problem in load({"t.liquid": text})[1]]


def remedies(text: str) -> list[str]:
    return [problem.suggestion for problem in load({"t.liquid": text})[1]]


def doubts(text: str) -> list[str]:
    sets, problems = load({"t.liquid": text})
    assert problems == []
    return [problem.message for problem in sets["t"].warnings]


def plain(text: str) -> list[dict[str, Any]]:
    """The tree of a paragraph of plain text."""
    return [{"t": "p", "c": [{"t": "text", "v": text}]}]
