"""The function `in_area(profile, "storm-12")`: whether the person is in an area.

It is checked as a function of the person, and evaluated as a look into the list of their areas.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from cel_expr_python import cel

from domain.conditions.cel_numbers import RAW_TEXT, TEXT
from domain.conditions.cel_syntax import CheckedTree, SyntaxNode

IN_AREA: Final = "in_area"
# The keys of the areas that a person is in, which authors do not name.
AREAS: Final = "profile.areas"
# The root `profile` is not a variable of its own. As long as that word, so that places in the text stay.
PERSON: Final = "person_"
_CALL: Final = re.compile(
    rf"(?P<other>//[^\n]*|{RAW_TEXT}|{TEXT})|(?P<before>\bin_area\s*\(\s*)profile(?=\s*,)", re.DOTALL
)


def name_person(text: str) -> str:
    """Let the calls of a text name the person as the checker knows them.

    Texts in quotes and comments stay.
    """
    return _CALL.sub(lambda found: found["other"] or f"{found['before']}{PERSON}", text)


def checked_variables() -> dict[str, cel.Type]:
    """Declare the person for the checker."""
    return {PERSON: cel.Type.BYTES}


def checked_functions() -> list[cel.FunctionDecl]:
    """Declare the function for the checker."""
    kinds = cel.Type
    return [cel.FunctionDecl(IN_AREA, [cel.Overload(IN_AREA, kinds.BOOL, [kinds.BYTES, kinds.STRING])])]


def find_calls(nodes: Iterable[SyntaxNode]) -> Iterator[SyntaxNode]:
    """Iterate over the calls of the function."""
    for node in nodes:
        if node.WhichOneof("kind") == "call_expr" and node.call_expr.function == IN_AREA:
            yield node


def replace_calls(nodes: Iterable[SyntaxNode], tree: CheckedTree) -> frozenset[str]:
    """Make each call a look into the list of areas; return the keys of the areas."""
    keys: set[str] = set()
    for node in find_calls(nodes):
        person, key = node.call_expr.args
        keys.add(key.const_expr.string_value)
        tree.rename(person, AREAS)
        node.call_expr.function = "@in"
        swapped = [type(key).FromString(one.SerializeToString()) for one in (key, person)]
        del node.call_expr.args[:]
        node.call_expr.args.extend(swapped)
    return frozenset(keys)
