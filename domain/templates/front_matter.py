"""A template file taken apart: YAML front matter between two lines of three dashes, then the body.

Every value keeps the line it stands on, so that whatever is wrong with it later can be pointed at.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import yaml

from domain.errors import Problem
from domain.templates.liquid_text import Place

_TEXT_TAG = "tag:yaml.org,2002:str"
_SCALAR_TAGS = frozenset({_TEXT_TAG, *(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "bool", "null"))})
_QUOTE = "Put a value that holds Liquid in single quotes, or below a |"


@dataclass(frozen=True, slots=True)
class Field:
    """A value of the front matter, and where it stands."""

    value: str
    place: Place


@dataclass(frozen=True, slots=True)
class Source:
    """A template file: its front matter by key, its body, and the places of the keys and of the body."""

    fields: dict[str, Field]
    key_places: dict[str, Place]
    body: Field


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar of a YAML body. Only texts are Liquid; `value` of the others is what YAML makes of them."""

    value: Any
    place: Place


Tree = Leaf | dict[str, "Tree"] | list["Tree"]


def parse(file: str, text: str) -> tuple[Source | None, list[Problem]]:
    """The file's parts, or None where the front matter cannot be read, and everything that is wrong with it."""
    lines = re.split(r"(?<=\n)", text.removeprefix("\ufeff"))
    whole = Place(file, 1, "front matter")
    if lines[0].rstrip() != "---":
        return None, [whole.problem("the file does not begin with front matter", "Begin it with a line of ---")]
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if end is None:
        return None, [whole.problem("the front matter does not end", "End it with a line of ---")]
    node, problems = _compose("".join(lines[1:end]), Place(file, 2, "front matter"))
    if problems:
        return None, problems
    fields: dict[str, Field] = {}
    key_places: dict[str, Place] = {}
    for key, value, place in _pairs(node, Place(file, 2, ""), problems):
        key_places[key] = place
        if isinstance(value, yaml.ScalarNode) and value.tag == _TEXT_TAG:
            fields[key] = Field(value.value, _value_place(value, place))
        else:
            problems.append(place.problem("this must be a text", _QUOTE))
    return Source(fields, key_places, Field("".join(lines[end + 1 :]), Place(file, end + 2, "body"))), problems


def parse_tree(body: Field) -> tuple[dict[str, Tree] | None, list[Problem]]:
    """A YAML body as a mapping of leaves that JSON can hold, and everything wrong with it."""
    node, problems = _compose(body.value, body.place)
    if problems:
        return None, problems
    if not isinstance(node, yaml.MappingNode):
        return None, [body.place.problem("the body must be a YAML mapping", "Write one key: value a line")]
    return _mapping(node, body.place, problems, set()), problems


def _compose(text: str, place: Place) -> tuple[yaml.Node | None, list[Problem]]:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader), []
    except yaml.MarkedYAMLError as error:
        line = place.line + (error.problem_mark.line if error.problem_mark else 0)
        return None, [place.problem(f"this is not YAML: {error.problem}", _QUOTE, line)]
    except (yaml.YAMLError, RecursionError):
        return None, [place.problem("this is not YAML", "Remove control characters and deep nesting")]


def _pairs(node: yaml.Node | None, origin: Place, problems: list[Problem]) -> Iterator[tuple[str, yaml.Node, Place]]:
    """The pairs of a mapping with the place of each; what is wrong with the keys goes to `problems`.

    `origin` is the place of the YAML text: its line is the text's first, its path the prefix of the keys' paths.
    """
    whole = replace(origin, path=origin.path or "front matter")
    if not isinstance(node, yaml.MappingNode):
        problems.append(whole.problem("this must be a YAML mapping", "Write one key: value a line"))
        return
    keys: set[str] = set()
    for key, value in node.value:
        line = origin.line + key.start_mark.line
        if not isinstance(key, yaml.ScalarNode) or key.tag != _TEXT_TAG or "{{" in key.value or "{%" in key.value:
            problems.append(whole.problem("a key must be a constant text", _QUOTE, line))
            continue
        place = Place(origin.file, line, f"{origin.path}.{key.value}" if origin.path else key.value)
        if key.value in keys:
            problems.append(place.problem(f"the key '{key.value}' is given twice", "Keep one of them"))
            continue
        keys.add(key.value)
        yield key.value, value, replace(place, line=origin.line + value.start_mark.line)


def _value_place(node: yaml.ScalarNode, place: Place) -> Place:
    if node.style == "|":
        return replace(place, line=place.line + 1)
    return replace(place, is_verbatim=False)


def _mapping(node: yaml.MappingNode, origin: Place, problems: list[Problem], seen: set[int]) -> dict[str, Tree]:
    tree: dict[str, Tree] = {}
    for key, value, place in _pairs(node, origin, problems):
        tree[key] = _tree(value, place, origin, problems, seen)
    return tree


def _tree(node: yaml.Node, place: Place, origin: Place, problems: list[Problem], seen: set[int]) -> Tree:
    if id(node) in seen:
        # An alias repeats its anchor's node: a few lines of them could stand for gigabytes.
        problems.append(place.problem("anchors and aliases are not supported", "Write the value out"))
        return {}
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, replace(origin, path=place.path), problems, seen)
    if isinstance(node, yaml.SequenceNode):
        return [
            _tree(
                item,
                Place(origin.file, origin.line + item.start_mark.line, f"{place.path}[{index}]"),
                origin,
                problems,
                seen,
            )
            for index, item in enumerate(node.value)
        ]
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _SCALAR_TAGS:
        problems.append(place.problem("JSON has no such value", "Quote it to make it a text"))
        return {}
    if node.tag == _TEXT_TAG:
        return Leaf(node.value, _value_place(node, place))
    value = yaml.SafeLoader("").construct_object(node)
    if isinstance(value, float) and not math.isfinite(value):
        problems.append(place.problem("JSON has no such number", "Quote it to make it a text"))
    return Leaf(value, place)
