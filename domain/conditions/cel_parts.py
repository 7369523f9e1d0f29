"""Parts of a condition, joined by `&&`, `||` and `!`: each is a condition itself.

The text alone tells them apart: these operators bind less than all others but `?:`, whose operands stay together.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from domain.conditions.cel_numbers import RAW_TEXT, TEXT

_TOKEN = re.compile(
    rf"(?P<comment>//[^\n]*)|(?P<text>{RAW_TEXT}|{TEXT}|`[^`\n]*`)|(?P<word>\w[\w.]*)|(?P<sign>&&|\|\||[=!<>]=|\S)",
    re.DOTALL,
)
_OPENING, _CLOSING = ("(", "[", "{"), (")", "]", "}")
# The signs that a negated operand may have outside of brackets.
_NO_OPERATORS = frozenset(("!", "."))

Tokens = Sequence[re.Match[str]]


class ConditionPart(Struct, frozen=True):
    """A part as the author wrote it, without brackets around it.

    It holds if `all` or `any` of its parts do, if its one part does `not`, or by its own `value`.
    """

    kind: Literal["all", "any", "not", "value"]
    text: str
    parts: tuple["ConditionPart", ...] = ()

    def values(self) -> Iterator["ConditionPart"]:
        """Iterate over the parts without parts, in the order of the text."""
        if self.kind == "value":
            yield self
        for part in self.parts:
            yield from part.values()


@lru_cache(maxsize=4_096)
def split_condition(text: str) -> ConditionPart:
    """Return a checked condition in its parts."""
    return _split(text, [token for token in _TOKEN.finditer(text) if token.lastgroup != "comment"])


def _split(text: str, tokens: Tokens) -> ConditionPart:
    while (inner := _unwrap(tokens)) is not None:
        tokens = inner
    written = text[tokens[0].start() : tokens[-1].end()]
    outer = list(_find_outer(tokens))
    signs = {tokens[index][0] for index in outer}
    if "?" not in signs:
        if "||" in signs:
            return ConditionPart("any", written, tuple(_divide(text, tokens, outer, "||")))
        if "&&" in signs:
            return ConditionPart("all", written, tuple(_divide(text, tokens, outer, "&&")))
        if tokens[0][0] == "!" and signs <= _NO_OPERATORS:
            return ConditionPart("not", written, (_split(text, tokens[1:]),))
    return ConditionPart("value", written)


def _divide(text: str, tokens: Tokens, outer: Sequence[int], sign: str) -> Iterator[ConditionPart]:
    start = 0
    for index in (*(one for one in outer if tokens[one][0] == sign), len(tokens)):
        yield _split(text, tokens[start:index])
        start = index + 1


def _unwrap(tokens: Tokens) -> Tokens | None:
    """Return the tokens within brackets, or after a double negation; None if neither."""
    outer = list(_find_outer(tokens))
    if [token[0] for token in tokens[:2]] == ["!", "!"] and {tokens[one][0] for one in outer} <= _NO_OPERATORS:
        return tokens[2:]
    is_bracketed = tokens[0][0] == "(" and not outer and _find_end(tokens) == len(tokens) - 1
    return tokens[1:-1] if is_bracketed else None


def _find_end(tokens: Tokens) -> int:
    """Return the index of the bracket that closes the first one."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += _depth_change(token)
        if depth == 0:
            return index
    return len(tokens)


def _find_outer(tokens: Tokens) -> Iterator[int]:
    """Iterate over the indexes of signs and `in` outside of brackets."""
    depth = 0
    for index, token in enumerate(tokens):
        change = _depth_change(token)
        depth += change
        if depth == 0 and change == 0 and (token.lastgroup == "sign" or token[0] == "in"):
            yield index


def _depth_change(token: re.Match[str]) -> int:
    if token.lastgroup != "sign":
        return 0
    return (token[0] in _OPENING) - (token[0] in _CLOSING)
