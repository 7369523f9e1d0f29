"""What CEL's checker accepts of an expression, and no data can ever satisfy, or any data can make expensive."""

from collections.abc import Iterator
from typing import NamedTuple

from domain.campaign.suggestions import did_you_mean
from domain.conditions.cel_patterns import PatternError, compile_pattern
from domain.conditions.cel_roots import JSON
from domain.conditions.cel_syntax import DURATION, CheckedTree, Node, walk
from domain.tracking.event import AUDIENCE
from domain.tracking.item import TYPES

_COMPARISONS = frozenset(("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"))
_ARITHMETIC = frozenset(("_+_", "_-_"))
_TYPES = {"event.type": TYPES, "entry.type": (*TYPES, AUDIENCE)}


class Fault(NamedTuple):
    """What is wrong at a place of an expression, and what would be right."""

    offset: int
    message: str
    suggestion: str


def faults(tree: CheckedTree) -> Iterator[Fault]:
    """In no order."""
    for node in walk(tree.root):
        if node.WhichOneof("kind") != "call_expr":
            continue
        function = node.call_expr.function
        operands = list(node.call_expr.args)
        if function == "matches":
            yield from _pattern(node, tree)
        elif len(operands) == 2 and function in _COMPARISONS | _ARITHMETIC:
            for one, other in (operands, reversed(operands)):
                yield from _json_and_time(one, other, tree)
                if function in _COMPARISONS:
                    yield from _no_type(one, other, tree)


def _json_and_time(one: Node, other: Node, tree: CheckedTree) -> Iterator[Fault]:
    """JSON has no times, so that a time is never equal to, after or before what stands in it."""
    path = tree.path(one)
    if path is not None and path[0] in JSON and len(path) > 1 and tree.time(other):
        kind = "duration" if tree.time(other) == DURATION else "timestamp"
        named = _written(path)
        said = f"`{named}` is never a {kind}: JSON has texts and numbers"
        yield Fault(tree.offset(one), said, f"Write `{kind}({named})`")


def _no_type(one: Node, other: Node, tree: CheckedTree) -> Iterator[Fault]:
    path = tree.path(one)
    known = _TYPES.get(path[0]) if path is not None else None
    if known is not None and (text := literal_text(other)) is not None and text not in known:
        said = f"`{_written(path or ())}` is never `{text}`"
        yield Fault(tree.offset(other), said, did_you_mean(text, known, "Types"))


def _pattern(node: Node, tree: CheckedTree) -> Iterator[Fault]:
    pattern = pattern_of(node)
    text = literal_text(pattern)
    if text is None:
        said = "the pattern of `matches` is not a text in quotes"
        yield Fault(tree.offset(pattern), said, "Write it out: what stands in data is compared by `==` or `contains`")
        return
    try:
        compile_pattern(text)
    except PatternError as error:
        said = f"`{text[:80]}` is not a regular expression that can be used: {error}"
        yield Fault(tree.offset(pattern), said, "RE2 syntax is understood: no look-around, no back-references")


def pattern_of(node: Node) -> Node:
    """The pattern of a call of `matches`, which is a method and a function."""
    return node.call_expr.args[-1]


def literal_text(node: Node) -> str | None:
    """The text of a literal."""
    if node.WhichOneof("kind") != "const_expr" or node.const_expr.WhichOneof("kind") != "string_value":
        return None
    text: str = node.const_expr.string_value
    return text


def _written(path: tuple[str, ...]) -> str:
    return path[0] + "".join(f".{key}" if key.isidentifier() else f"['{key}']" for key in path[1:])
