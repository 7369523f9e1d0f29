"""Negated computed traits, which hold for people who have just come as well."""

from collections.abc import Iterator
from typing import Final

from domain.conditions.cel_roots import COMPUTED
from domain.conditions.cel_syntax import AND, CheckedTree, SyntaxNode, children, conjuncts, function_of, walk
from domain.conditions.cel_times import KNOWN_FOR
from domain.conditions.expressions import Condition

_EQUAL: Final = "_==_"
_LESS: Final = frozenset({"_<_", "_<=_"})


def find_unguarded(condition: Condition) -> list[str]:
    """Return the traits whose absence is asked without `known_for` beside it.

    Their absence is `!`, or the comparison with false, 0 or less than 1.
    """
    tree = CheckedTree(condition.checked.tree)
    return list(dict.fromkeys(_find(tree.root, tree, is_guarded=False)))


def _find(node: SyntaxNode, tree: CheckedTree, *, is_guarded: bool) -> Iterator[str]:
    if function_of(node) == AND:
        parts = list(conjuncts(node))
        is_guarded = is_guarded or any(function_of(part) == KNOWN_FOR for part in parts)
        for part in parts:
            yield from _find(part, tree, is_guarded=is_guarded)
    elif _asks_for_absence(node):
        if not is_guarded:
            yield from _traits(node, tree)
    else:
        for child in children(node):
            yield from _find(child, tree, is_guarded=is_guarded)


def _asks_for_absence(node: SyntaxNode) -> bool:
    function = function_of(node)
    if function == "!_":
        return True
    if function not in (_EQUAL, *_LESS):
        return False
    one, other = (_literal(part) for part in node.call_expr.args)
    if function == _EQUAL:
        return any(value is not None and value == 0 for value in (one, other))
    return other is not None and other == (1 if function == "_<_" else 0)


def _traits(node: SyntaxNode, tree: CheckedTree) -> Iterator[str]:
    for each in walk(node):
        path = tree.path(each)
        if path is not None and len(path) == 1 and path[0].startswith(f"{COMPUTED}."):
            yield path[0]


def _literal(node: SyntaxNode) -> float | bool | None:
    """Return a number, true or false; None for any other node."""
    if node.WhichOneof("kind") != "const_expr":
        return None
    kind = node.const_expr.WhichOneof("kind")
    return getattr(node.const_expr, kind) if kind in ("bool_value", "int64_value", "double_value") else None
