"""One kind of number for authors, where CEL has two.

CEL's checker refuses `60.5 + 5` and `double(x) > 5`, and its operators cannot add an integer and a double. So an
expression is checked as if every number were an integer, and evaluated as written, with operators that promote an
integer beside a double. Two integers stay integers, exact and bounded to 64 bits.
"""

import operator
import re
from collections.abc import Callable
from math import copysign, fmod, isfinite, nan
from typing import NamedTuple

from cel_expr_python import cel

# The checker sees this function for `double`: a name of the same length that gives an integer.
INTEGER_OF = "number"
# Replaces an author's function of that name.
_UNKNOWN = "_" * len(INTEGER_OF)

# A backslash in a raw text escapes nothing.
RAW_TEXT = r"""(?:[rR][bB]?|[bB][rR])(?:'''[\s\S]*?'''|\"\"\"[\s\S]*?\"\"\"|'[^'\n]*'|"[^"\n]*")"""
TEXT = r"""[bB]?(?:'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")"""
_TOKEN = re.compile(
    rf"(?P<passed>//[^\n]*|{RAW_TEXT}|{TEXT})"
    r"|(?P<word>[A-Za-z_]\w*)(?P<called>\s*\()?"
    r"|(?P<decimal>[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)"
    r"|(?P<whole>0x[0-9a-fA-F]+|[0-9]+)(?P<unsigned>[uU])?",
    re.DOTALL,
)


class Unified(NamedTuple):
    """A text of the same length for the checker, and the decimals by position."""

    text: str
    decimals: dict[int, float]
    # The first number with a `u`, a third kind of number.
    unsigned: str | None


def unify(text: str) -> Unified:
    """Replace decimals by whole numbers, and `double(` by `number(`."""
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
            # Not a function of CEL.
            written = _UNKNOWN + token["called"]
        parts += (text[end:start], written)
        end = stop
    return Unified("".join(parts) + text[end:], decimals, unsigned)


def original_text(error: str) -> str:
    """Restore the author's name in an error of the checker."""
    return error.replace(_UNKNOWN, INTEGER_OF)


def declarations() -> list[cel.FunctionDecl]:
    """Declare the checker's extra function. It is never called."""
    kinds = (cel.Type.INT, cel.Type.UINT, cel.Type.DOUBLE, cel.Type.STRING)
    overloads = [cel.Overload(f"{INTEGER_OF}_{kind.name()}", cel.Type.INT, [kind]) for kind in kinds]
    return [cel.FunctionDecl(INTEGER_OF, overloads)]


def mixed_operators() -> list[cel.FunctionDecl]:
    """Return the operators for an integer and a double; CEL compares them itself.

    CEL has no remainder of doubles. This is IEEE 754's fmod, with the sign of the dividend, as for two integers.
    """
    return [
        _make_mixed("_+_", operator.add),
        _make_mixed("_-_", operator.sub),
        _make_mixed("_*_", operator.mul),
        _make_mixed("_/_", _divide),
        _make_mixed("_%_", _remainder, (cel.Type.DOUBLE, cel.Type.DOUBLE)),
    ]


def _make_mixed(
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
    """Divide like CEL, where Python raises an error for zero."""
    if right:
        return left / right
    return copysign(float("inf"), left) * copysign(1.0, right) if left else nan


def _remainder(left: float, right: float) -> float:
    """Return C's remainder, where Python raises an error for zero or infinity."""
    return fmod(left, right) if right and isfinite(left) else nan
