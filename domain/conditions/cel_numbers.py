"""One kind of number for authors, where CEL has two.

Its checker refuses `60.5 + 5` and `double(x) > 5`, and its operators know no sum of an integer and a double. Here an
expression is checked as if every number in it were an integer, and evaluated as it was written, with operators that
promote the integer where the other operand is a double. Two integers stay integers, exact and bounded to 64 bits.
"""

import operator
import re
from collections.abc import Callable
from math import copysign, fmod, isfinite, nan
from typing import NamedTuple

from cel_expr_python import cel

# What the checker sees of a call of `double`: a function of the same length, which gives an integer.
INTEGER_OF = "number"
# And of a function of theirs that has this name.
_UNKNOWN = "_" * len(INTEGER_OF)

# In a raw text a backslash escapes nothing.
_RAW = r"""(?:[rR][bB]?|[bB][rR])(?:'''[\s\S]*?'''|\"\"\"[\s\S]*?\"\"\"|'[^'\n]*'|"[^"\n]*")"""
_TEXT = r"""[bB]?(?:'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")"""
_TOKEN = re.compile(
    rf"(?P<passed>//[^\n]*|{_RAW}|{_TEXT})"
    r"|(?P<word>[A-Za-z_]\w*)(?P<called>\s*\()?"
    r"|(?P<decimal>[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)"
    r"|(?P<whole>0x[0-9a-fA-F]+|[0-9]+)(?P<unsigned>[uU])?",
    re.DOTALL,
)


class Unified(NamedTuple):
    """A text as the checker sees it, character for character in its place, and the decimals by theirs."""

    text: str
    decimals: dict[int, float]
    # The first number with a `u`, which makes a third kind.
    unsigned: str | None


def unify(text: str) -> Unified:
    """Write whole numbers for decimals, and `number(` for `double(`."""
    decimals: dict[int, float] = {}
    parts: list[str] = []
    unsigned: str | None = None
    end = 0
    for token in _TOKEN.finditer(text):
        start, stop = token.span()
        written = token[0]
        if token["decimal"] is not None:
            decimals[start] = float(written)
            written = "0" * len(written)
        elif token["unsigned"] is not None:
            unsigned = unsigned or written
        elif token["word"] == "double" and token["called"] is not None:
            written = INTEGER_OF + token["called"]
        elif token["word"] == INTEGER_OF and token["called"] is not None:
            # It is no function of theirs.
            written = _UNKNOWN + token["called"]
        parts += (text[end:start], written)
        end = stop
    return Unified("".join(parts) + text[end:], decimals, unsigned)


def original_text(error: str) -> str:
    """An error of the checker with the name that stands in the text."""
    return error.replace(_UNKNOWN, INTEGER_OF)


def declarations() -> list[cel.FunctionDecl]:
    """What the checker knows besides CEL's own functions. It is never called."""
    kinds = (cel.Type.INT, cel.Type.UINT, cel.Type.DOUBLE, cel.Type.STRING)
    overloads = [cel.Overload(f"{INTEGER_OF}_{kind.name()}", cel.Type.INT, [kind]) for kind in kinds]
    return [cel.FunctionDecl(INTEGER_OF, overloads)]


def mixed_operators() -> list[cel.FunctionDecl]:
    """The operators for an integer and a double, in either order. Comparisons of the two are CEL's own.

    CEL has no remainder of doubles: it is that of IEEE 754's fmod, with the sign of the first, as of two integers.
    """
    return [
        _find_mixed("_+_", operator.add),
        _find_mixed("_-_", operator.sub),
        _find_mixed("_*_", operator.mul),
        _find_mixed("_/_", _divide),
        _find_mixed("_%_", _remainder, (cel.Type.DOUBLE, cel.Type.DOUBLE)),
    ]


def _find_mixed(
    name: str, promote: Callable[[float, float], float], *more: tuple[cel.Type, cel.Type]
) -> cel.FunctionDecl:
    def impl(left: float, right: float) -> float:
        return promote(float(left), float(right))

    pairs = ((cel.Type.INT, cel.Type.DOUBLE), (cel.Type.DOUBLE, cel.Type.INT), *more)
    return cel.FunctionDecl(
        name,
        [cel.Overload(f"{name}{a.name()}_{b.name()}", cel.Type.DOUBLE, [a, b], False, impl) for a, b in pairs],
    )


def _divide(left: float, right: float) -> float:
    """As CEL divides two doubles, where Python raises an error for a zero."""
    if right:
        return left / right
    return copysign(float("inf"), left) * copysign(1.0, right) if left else nan


def _remainder(left: float, right: float) -> float:
    """As C has it, where Python raises an error for a zero or an infinity."""
    return fmod(left, right) if right and isfinite(left) else nan
