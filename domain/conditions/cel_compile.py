"""From the text of an expression to what CEL runs, or to what is wrong with it."""

import re
from functools import lru_cache

from cel_expr_python import cel

from domain.conditions.cel_errors import explain
from domain.conditions.cel_roots import ROOTS, VISIBLE, Place

MAX_LENGTH = 2_000
_HAS_FIELD = re.compile(r"\bhas\(\s*((?:event|entry|profile|journey)\.[a-z_]+)\s*\)")
_PATTERN_LITERAL = re.compile(r"""\.matches\(\s*(r?'(?:[^'\\\n]|\\.)*'|r?"(?:[^"\\\n]|\\.)*")\s*\)""")


class ConditionError(ValueError):
    """An expression that cannot be used where it stands. `suggestion` says what would be right."""

    def __init__(self, message: str, suggestion: str) -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


def compile_checked(text: str, place: Place) -> tuple[frozenset[str], cel.Expression]:
    """The variables that an expression refers to, and the expression compiled. Raises ConditionError."""
    _check_text(text)
    visible = VISIBLE[place]
    declared = frozenset(f"{root}.{field}" for root in visible for field in ROOTS[root])
    try:
        expression = _environment(declared).compile(text)
    except (RuntimeError, ValueError) as error:
        raise ConditionError(*explain(str(error), text, visible, ROOTS)) from error
    # CEL does not tell which variables an expression refers to. One without which it no longer compiles, it does.
    used = frozenset(variable for variable in declared if not _compiles(text, declared - {variable}))
    return used, expression


def _check_text(text: str) -> None:
    """What CEL would let pass and an author did not mean."""
    if not text.strip():
        raise ConditionError("the expression is empty", "Write a CEL expression, or leave the line out")
    if len(text) > MAX_LENGTH:
        raise ConditionError(
            f"the expression has {len(text):,} characters", f"Keep it within {MAX_LENGTH:,}: send what it works out"
        )
    if always := _HAS_FIELD.search(text):
        raise ConditionError(f"`{always[1]}` is always there", f"Compare it: `{always[1]} != null`")
    for pattern in _PATTERN_LITERAL.findall(text):
        try:
            tried = _environment(frozenset()).compile(f"''.matches({pattern})").eval()
        except RuntimeError:
            continue  # not a literal after all: the compilation of the whole says so
        if tried.type() == cel.Type.ERROR:
            raise ConditionError(
                f"{pattern} is not a regular expression: {str(tried.value()).partition('expression: ')[2]}",
                "RE2 syntax is understood: no look-around, no back-references",
            )


@lru_cache(maxsize=128)
def _environment(variables: frozenset[str]) -> cel.Env:
    types = {f"{root}.{field}": kind for root, fields in ROOTS.items() for field, kind in fields.items()}
    return cel.NewEnv(variables={variable: types[variable] for variable in variables})


def _compiles(text: str, variables: frozenset[str]) -> bool:
    try:
        _environment(variables).compile(text)
    except RuntimeError:
        return False
    return True
