"""What CEL's checker accepts of an expression, and no data can ever satisfy, or any data can make expensive."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from domain.conditions.cel_patterns import PatternError, compile_pattern
from domain.conditions.cel_roots import JSON
from domain.conditions.cel_syntax import DURATION, CheckedTree, SyntaxNode, walk
from domain.suggestions import did_you_mean
from domain.tracking.event import AUDIENCE
from domain.tracking.item import TYPES

_COMPARISONS = frozenset(("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"))
_ARITHMETIC = ("_+_", "_-_")
_NO_KEYS = {"null_value": "null", "bytes_value": "bytes", "list_expr": "a list", "struct_expr": "a map"}
_TYPES = {"event.type": TYPES, "entry.type": (*TYPES, AUDIENCE)}


class ExpressionFault(NamedTuple):
    """What is wrong at a place of an expression, and what would be right."""

    offset: int
    message: str
    suggestion: str


def faults(tree: CheckedTree) -> Iterator[ExpressionFault]:
    """In no order. Decimals stand in the tree as they are evaluated."""
    for node in walk(tree.root):
        match node.WhichOneof("kind"):
            case "struct_expr":
                for entry in node.struct_expr.entries:
                    yield from _no_key(entry.map_key, tree)
            case "call_expr":
                yield from _faults_of_call(node, tree)


def _faults_of_call(node: SyntaxNode, tree: CheckedTree) -> Iterator[ExpressionFault]:
    function = node.call_expr.function
    operands = list(node.call_expr.args)
    if function == "matches":
        yield from _pattern(node, tree)
    elif function == "timestamp":
        yield from _no_decimal("a timestamp", operands[0], tree)
    elif function == "duration" and _number(operands[0]) is not None:
        said = "a duration is never made of a number"
        yield ExpressionFault(tree.offset(operands[0]), said, "Write a text in quotes, as in `duration('90s')`")
    elif function in _ARITHMETIC:
        yield from _never_meet(operands[0], operands[1], tree)
    elif function in _COMPARISONS:
        yield from _never_equal(operands[0], operands[1], tree)
    elif function == "@in":
        for member in _members(operands[1]):
            yield from _never_equal(operands[0], member, tree)


def _never_equal(one: SyntaxNode, other: SyntaxNode, tree: CheckedTree) -> Iterator[ExpressionFault]:
    yield from _never_meet(one, other, tree)
    yield from _no_type(one, other, tree)
    yield from _no_type(other, one, tree)


def _never_meet(one: SyntaxNode, other: SyntaxNode, tree: CheckedTree) -> Iterator[ExpressionFault]:
    yield from _json_and_time(one, other, tree)
    yield from _json_and_time(other, one, tree)


def _members(holder: SyntaxNode) -> Iterable[SyntaxNode]:
    """What a list or a map that is written out is asked for."""
    match holder.WhichOneof("kind"):
        case "list_expr":
            return list(holder.list_expr.elements)
        case "struct_expr":
            return [entry.map_key for entry in holder.struct_expr.entries]
        case _:
            return ()


def _no_key(node: SyntaxNode, tree: CheckedTree) -> Iterator[ExpressionFault]:
    kind = node.WhichOneof("kind")
    written = node.const_expr.WhichOneof("kind") if kind == "const_expr" else kind
    if (found := _NO_KEYS.get(written)) is not None:
        yield ExpressionFault(
            tree.offset(node), f"a key of a map is never {found}", "Write a whole number, or a text in quotes"
        )
    else:
        yield from _no_decimal("a key of a map", node, tree)


def _no_decimal(name: str, node: SyntaxNode, tree: CheckedTree) -> Iterator[ExpressionFault]:
    """CEL's checker was shown a whole number."""
    if _number(node) == "double":
        yield ExpressionFault(
            tree.offset(node), f"{name} is never made of a decimal", "Write a whole number, or a text in quotes"
        )


def _number(node: SyntaxNode) -> str | None:
    """Whether a node is an `int` or a `double`; None where that cannot be seen, or it is another value."""
    match node.WhichOneof("kind"):
        case "const_expr":
            return {"int64_value": "int", "double_value": "double"}.get(node.const_expr.WhichOneof("kind"))
        case "call_expr":
            function: str = node.call_expr.function
            return {"double": "double", "int": "int", "size": "int"}.get(function)
        case _:
            return None


def _json_and_time(one: SyntaxNode, other: SyntaxNode, tree: CheckedTree) -> Iterator[ExpressionFault]:
    """JSON has no times, so that a time is never equal to, after or before what stands in it."""
    path = tree.path(one)
    if path is not None and path[0] in JSON and len(path) > 1 and tree.time(other):
        kind = "duration" if tree.time(other) == DURATION else "timestamp"
        named = _source_of(path)
        said = f"`{named}` is never a {kind}: JSON has texts and numbers"
        yield ExpressionFault(tree.offset(one), said, f"Write `{kind}({named})`")


def _no_type(one: SyntaxNode, other: SyntaxNode, tree: CheckedTree) -> Iterator[ExpressionFault]:
    path = tree.path(one)
    known = _TYPES.get(path[0]) if path is not None else None
    if known is not None and (text := literal_text(other)) is not None and text not in known:
        said = f"`{_source_of(path or ())}` is never `{text}`"
        yield ExpressionFault(tree.offset(other), said, did_you_mean(text, known, "Types"))


def _pattern(node: SyntaxNode, tree: CheckedTree) -> Iterator[ExpressionFault]:
    pattern = pattern_of(node)
    text = literal_text(pattern)
    if text is None:
        said = "the pattern of `matches` is not a text in quotes"
        yield ExpressionFault(
            tree.offset(pattern), said, "Write it out: what stands in data is compared by `==` or `contains`"
        )
        return
    try:
        compile_pattern(text)
    except PatternError as error:
        said = f"`{text[:80]}` is not a regular expression that can be used: {error}"
        yield ExpressionFault(
            tree.offset(pattern), said, "RE2 syntax is understood: no look-around, no back-references"
        )


def pattern_of(node: SyntaxNode) -> SyntaxNode:
    """The pattern of a call of `matches`, which is a method and a function."""
    return node.call_expr.args[-1]


def literal_text(node: SyntaxNode) -> str | None:
    """The text of a literal."""
    if node.WhichOneof("kind") != "const_expr" or node.const_expr.WhichOneof("kind") != "string_value":
        return None
    text: str = node.const_expr.string_value
    return text


def _source_of(path: tuple[str, ...]) -> str:
    return path[0] + "".join(f".{key}" if key.isidentifier() else f"['{key}']" for key in path[1:])
