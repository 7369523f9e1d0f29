"""Checks beyond CEL's: expressions that can never hold, or that may be expensive."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from domain.channels.kinds import CHANNELS
from domain.conditions.cel_areas import IN_AREA
from domain.conditions.cel_patterns import PatternError, compile_pattern
from domain.conditions.cel_roots import JSON, SEGMENTS, STAGE_VARIABLE, SUBSCRIPTIONS
from domain.conditions.cel_syntax import DURATION, CheckedTree, SyntaxNode, walk
from domain.conditions.cel_times import KNOWN_FOR, WITHIN, explain_span
from domain.suggestions import did_you_mean
from domain.tracking.event import AUDIENCE, DERIVED
from domain.tracking.item import TYPES

_COMPARISONS = frozenset(("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"))
_ARITHMETIC = ("_+_", "_-_")
_NO_KEYS = {"null_value": "null", "bytes_value": "bytes", "list_expr": "a list", "struct_expr": "a map"}
_TYPES = {"event.type": (*TYPES, *DERIVED), "entry.type": (*TYPES, *DERIVED, AUDIENCE)}


class ExpressionFault(NamedTuple):
    """A fault at a place of an expression, with its remedy."""

    offset: int
    message: str
    suggestion: str


def find_faults(tree: CheckedTree) -> Iterator[ExpressionFault]:
    """Find the faults of a tree, in no order. Decimals are restored before."""
    nodes = list(walk(tree.root))
    for node in nodes:
        match node.WhichOneof("kind"):
            case "struct_expr":
                for entry in node.struct_expr.entries:
                    yield from _check_key(entry.map_key, tree)
            case "call_expr":
                yield from _check_call(node, tree)
    yield from _check_segments(nodes, tree)
    yield from _check_subscriptions(nodes, tree)


def find_segments(nodes: Iterable[SyntaxNode], tree: CheckedTree) -> Iterator[tuple[SyntaxNode, str]]:
    """Find the segments that an expression asks for, each with the node of the list."""
    for node in nodes:
        if node.WhichOneof("kind") == "call_expr" and node.call_expr.function == "@in":
            key, holder = node.call_expr.args
            if tree.path(holder) == (SEGMENTS,) and (text := literal_text(key)) is not None:
                yield holder, text


def find_subscriptions(nodes: Iterable[SyntaxNode], tree: CheckedTree) -> Iterator[tuple[SyntaxNode, str]]:
    """Find the topics that an expression asks for, each with the node of the list."""
    for node in nodes:
        if node.WhichOneof("kind") == "call_expr" and node.call_expr.function == "@in":
            key, holder = node.call_expr.args
            if _channel_of(tree.path(holder)) in CHANNELS and (text := literal_text(key)) is not None:
                yield holder, text


def find_stages(nodes: Iterable[SyntaxNode], tree: CheckedTree) -> Iterator[str]:
    """Find the stages with which an expression compares the person's."""
    for node in nodes:
        if node.WhichOneof("kind") != "call_expr":
            continue
        operands = list(node.call_expr.args)
        if node.call_expr.function in ("_==_", "_!=_"):
            pairs = [operands, operands[::-1]]
        elif node.call_expr.function == "@in":
            pairs = [[operands[0], member] for member in _members(operands[1])]
        else:
            continue
        for variable, literal in pairs:
            if tree.path(variable) == (STAGE_VARIABLE,) and (text := literal_text(literal)) is not None:
                yield text


def _check_segments(nodes: Sequence[SyntaxNode], tree: CheckedTree) -> Iterator[ExpressionFault]:
    """Refuse other uses of the list, which would not say what segments are read."""
    asked = {holder.id for holder, _ in find_segments(nodes, tree)}
    for node in nodes:
        if tree.path(node) == (SEGMENTS,) and node.id not in asked:
            said = f"`{SEGMENTS}` can be asked only for a segment by its key"
            yield ExpressionFault(tree.offset(node), said, f'Write `"vip" in {SEGMENTS}`')


def _check_subscriptions(nodes: Sequence[SyntaxNode], tree: CheckedTree) -> Iterator[ExpressionFault]:
    """Refuse other uses of the lists, which would not say what topics are read."""
    example = f'Write `"newsletter" in {SUBSCRIPTIONS}.email`'
    read = {node.id: path for node in nodes if (path := tree.path(node)) is not None and path[0] == SUBSCRIPTIONS}
    asked = {holder.id for holder, _ in find_subscriptions(nodes, tree)}
    asked |= {node.select_expr.operand.id for node in nodes if node.id in read and _channel_of(read[node.id])}
    for node in nodes:
        if node.id not in read or node.id in asked:
            continue
        channel = _channel_of(read[node.id])
        if channel is None or channel in CHANNELS:
            said = f"`{SUBSCRIPTIONS}` can be asked only for a topic on a channel"
            yield ExpressionFault(tree.offset(node), said, example)
        else:
            yield ExpressionFault(
                tree.offset(node), f"there is no channel `{channel}`", did_you_mean(channel, CHANNELS, "Channels")
            )


def _channel_of(path: tuple[str, ...] | None) -> str | None:
    """Return the channel whose subscriptions a path names; None for another path."""
    return path[1] if path is not None and len(path) == 2 and path[0] == SUBSCRIPTIONS else None


def _check_call(node: SyntaxNode, tree: CheckedTree) -> Iterator[ExpressionFault]:
    function = node.call_expr.function
    operands = list(node.call_expr.args)
    if function == "matches":
        yield from _pattern(node, tree)
    elif function in (WITHIN, KNOWN_FOR):
        yield from _check_span(node, tree)
    elif function == IN_AREA and literal_text(operands[1]) is None:
        said = f"the area of `{IN_AREA}` is not a text in quotes"
        yield ExpressionFault(tree.offset(operands[1]), said, f"Write it out: `{IN_AREA}(profile, 'storm-12')`")
    elif function == "timestamp":
        yield from _refuse_decimal("a timestamp", operands[0], tree)
    elif function == "duration" and _number_kind(operands[0]) is not None:
        said = "a duration is never made of a number"
        yield ExpressionFault(tree.offset(operands[0]), said, "Write a text in quotes, as in `duration('90s')`")
    elif function in _ARITHMETIC:
        yield from _check_operands(operands[0], operands[1], tree)
    elif function in _COMPARISONS:
        yield from _check_comparison(operands[0], operands[1], tree)
    elif function == "@in":
        for member in _members(operands[1]):
            yield from _check_comparison(operands[0], member, tree)


def _check_comparison(one: SyntaxNode, other: SyntaxNode, tree: CheckedTree) -> Iterator[ExpressionFault]:
    yield from _check_operands(one, other, tree)
    yield from _check_type(one, other, tree)
    yield from _check_type(other, one, tree)


def _check_operands(one: SyntaxNode, other: SyntaxNode, tree: CheckedTree) -> Iterator[ExpressionFault]:
    yield from _check_json_and_time(one, other, tree)
    yield from _check_json_and_time(other, one, tree)


def _members(holder: SyntaxNode) -> Iterable[SyntaxNode]:
    """Return the elements of a list literal or the keys of a map literal."""
    match holder.WhichOneof("kind"):
        case "list_expr":
            return list(holder.list_expr.elements)
        case "struct_expr":
            return [entry.map_key for entry in holder.struct_expr.entries]
        case _:
            return ()


def _check_key(node: SyntaxNode, tree: CheckedTree) -> Iterator[ExpressionFault]:
    kind = node.WhichOneof("kind")
    written = node.const_expr.WhichOneof("kind") if kind == "const_expr" else kind
    if (found := _NO_KEYS.get(written)) is not None:
        yield ExpressionFault(
            tree.offset(node), f"a key of a map is never {found}", "Write a whole number, or a text in quotes"
        )
    else:
        yield from _refuse_decimal("a key of a map", node, tree)


def _refuse_decimal(name: str, node: SyntaxNode, tree: CheckedTree) -> Iterator[ExpressionFault]:
    """Refuse a decimal, which CEL's checker saw as a whole number."""
    if _number_kind(node) == "double":
        yield ExpressionFault(
            tree.offset(node), f"{name} is never made of a decimal", "Write a whole number, or a text in quotes"
        )


def _number_kind(node: SyntaxNode) -> str | None:
    """Return `int` or `double` for a number; None if the type is unknown or another."""
    match node.WhichOneof("kind"):
        case "const_expr":
            return {"int64_value": "int", "double_value": "double"}.get(node.const_expr.WhichOneof("kind"))
        case "call_expr":
            function: str = node.call_expr.function
            return {"double": "double", "int": "int", "size": "int"}.get(function)
        case _:
            return None


def _check_json_and_time(one: SyntaxNode, other: SyntaxNode, tree: CheckedTree) -> Iterator[ExpressionFault]:
    """Refuse to combine JSON with a time, since JSON has no times."""
    path = tree.path(one)
    if path is not None and path[0] in JSON and len(path) > 1 and tree.time(other):
        kind = "duration" if tree.time(other) == DURATION else "timestamp"
        named = _source_of(path)
        said = f"`{named}` is never a {kind}: JSON has texts and numbers"
        yield ExpressionFault(tree.offset(one), said, f"Write `{kind}({named})`")


def _check_type(one: SyntaxNode, other: SyntaxNode, tree: CheckedTree) -> Iterator[ExpressionFault]:
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
        yield ExpressionFault(tree.offset(pattern), said, "Write it out, or compare data by `==` or `contains`")
        return
    try:
        compile_pattern(text)
    except PatternError as error:
        said = f"`{text[:80]}` is not a regular expression that can be used: {error}"
        yield ExpressionFault(tree.offset(pattern), said, "Use RE2 syntax: no look-around, no back-references")


def _check_span(node: SyntaxNode, tree: CheckedTree) -> Iterator[ExpressionFault]:
    span = node.call_expr.args[-1]
    if (text := literal_text(span)) is None:
        said = f"the span of `{node.call_expr.function}` is not a text in quotes"
        yield ExpressionFault(tree.offset(span), said, "Write it out: `'14d'`")
    elif (fault := explain_span(node.call_expr.function, text)) is not None:
        yield ExpressionFault(tree.offset(span), *fault)


def pattern_of(node: SyntaxNode) -> SyntaxNode:
    """Return the pattern of a call of `matches`, whether a method or a function."""
    return node.call_expr.args[-1]


def literal_text(node: SyntaxNode) -> str | None:
    """Return the text of a string literal; None for any other node."""
    if node.WhichOneof("kind") != "const_expr" or node.const_expr.WhichOneof("kind") != "string_value":
        return None
    text: str = node.const_expr.string_value
    return text


def _source_of(path: tuple[str, ...]) -> str:
    return path[0] + "".join(f".{key}" if key.isidentifier() else f"['{key}']" for key in path[1:])
