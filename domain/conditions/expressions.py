"""Conditions and keys in CEL, type-checked when a campaign is published and evaluated when something happens.

Every field of a root is declared to CEL as a variable of its own (`event.properties`, `profile.traits`), so that CEL
itself refuses `event.propertis.value` and `event.message_id > 3`. What lies below `properties`, `context`, `traits`
and `consent` is data of unknown shape: a key that is missing there is an error of the evaluation, and a condition
that cannot be evaluated does not hold.

CEL-C++ bounds an evaluation to 10,000 iterations and an expression to 32 levels. `map` and `filter` are quadratic in
the length of their list, hence the bound in `cel_data`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import Any, NamedTuple

import msgspec
from cel_expr_python import cel

from domain.conditions.cel_compile import ConditionError, compile_checked
from domain.conditions.cel_data import Unusable, cel_data
from domain.conditions.cel_roots import ROOTS, Place

__all__ = [
    "Condition",
    "ConditionError",
    "KeyExpression",
    "KeyOutcome",
    "Outcome",
    "Place",
    "Prepared",
    "ValueExpression",
    "ValueOutcome",
    "compile_condition",
    "compile_key",
    "compile_value",
]

MAX_KEY_LENGTH = 255
# As much as one event may have. A trait made of itself twice would double each time.
MAX_VALUE_BYTES = 32 * 1024
_MAX_ERROR_LENGTH = 300


class Outcome(NamedTuple):
    """Whether a condition holds and, where it could not be evaluated and therefore does not, why."""

    holds: bool
    error: str | None = None


class KeyOutcome(NamedTuple):
    """The key, or None and why there is none."""

    value: str | None
    error: str | None = None


class ValueOutcome(NamedTuple):
    """What an expression gives, or None and why it gives nothing."""

    value: Any
    error: str | None = None


class Prepared:
    """A root that many expressions look at: each of its fields is made fit for CEL once."""

    __slots__ = ("_fields", "_holder")

    def __init__(self, holder: object) -> None:
        self._holder = holder
        self._fields: dict[str, Any] = {}

    def field(self, name: str) -> Any:
        """None where the holder has none. Raises Unusable."""
        if name not in self._fields:
            holder = self._holder
            value = holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
            self._fields[name] = cel_data(value)
        return self._fields[name]


@dataclass(frozen=True, slots=True)
class _Compiled:
    text: str
    place: Place
    variables: frozenset[str]
    expression: cel.Expression

    def _result(self, roots: Mapping[str, Any]) -> tuple[Any, str | None]:
        data, missing = self._data(roots)
        try:
            value = self.expression.eval(data=data)
            if value.type() != cel.Type.ERROR:
                return value.value(), None
            error = str(value.value())
        except (RuntimeError, ValueError, TypeError) as raised:
            error = str(raised)
        return None, "; ".join([*missing, error])[:_MAX_ERROR_LENGTH]

    def _data(self, roots: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """What the expression looks at, and what of it is not to be had. `a || b` may hold without it."""
        data: dict[str, Any] = {}
        missing: list[str] = []
        for variable in self.variables:
            root, _, field = variable.partition(".")
            holder = roots.get(root)
            try:
                value = (holder if isinstance(holder, Prepared) else Prepared(holder)).field(field)
            except Unusable as unusable:
                missing.append(f"{variable}: {unusable}")
                continue
            if value is None and (holder is None or ROOTS[root][field] != cel.Type.DYN):
                missing.append(f"there is no {variable}")
            else:
                data[variable] = value
        return data, missing


class Condition(_Compiled):
    """A checked condition.

    Roots are given by name, each a mapping or an object with the fields of ROOTS, or one that is Prepared.
    """

    __slots__ = ()

    def evaluate(self, **roots: Any) -> Outcome:
        """Whether it holds. Never raises: what cannot be evaluated does not hold, and the outcome says why."""
        value, error = self._result(roots)
        if error is None and not isinstance(value, bool):
            error = f"the condition is {_named(value)}, not true or false"
        return Outcome(value is True, error)

    def holds(self, **roots: Any) -> bool:
        return self.evaluate(**roots).holds


class KeyExpression(_Compiled):
    """A checked expression that tells the journeys of one user apart."""

    __slots__ = ()

    def evaluate(self, **roots: Any) -> KeyOutcome:
        """The key as text, or why there is none. Never raises."""
        value, error = self._result(roots)
        if error is not None:
            return KeyOutcome(None, error)
        key = _key_text(value)
        if key is None:
            return KeyOutcome(None, f"{_named(value)} cannot be a key")
        if not key or len(key) > MAX_KEY_LENGTH or "\0" in key:
            return KeyOutcome(None, rf"a key has 1 to {MAX_KEY_LENGTH} characters, and none of them is \u0000")
        return KeyOutcome(key)

    def value(self, **roots: Any) -> str | None:
        return self.evaluate(**roots).value


class ValueExpression(_Compiled):
    """A checked expression whose value is used: what JSON can hold, or a time."""

    __slots__ = ()

    def evaluate(self, **roots: Any) -> ValueOutcome:
        """The value as JSON has it, an instant as a datetime; or why there is none. Never raises."""
        value, error = self._result(roots)
        if error is not None:
            return ValueOutcome(None, error)
        try:
            plain = _plain(value)
        except TypeError as refused:
            return ValueOutcome(None, str(refused))
        if (size := len(msgspec.json.encode(plain))) > MAX_VALUE_BYTES:
            return ValueOutcome(None, f"a value of {size:,} bytes cannot be kept: {MAX_VALUE_BYTES:,} can")
        return ValueOutcome(plain)


@lru_cache(maxsize=4_096)
def compile_condition(text: str, place: Place) -> Condition:
    """Check and compile a condition. Raises ConditionError."""
    variables, expression = compile_checked(text, place)
    kind = expression.return_type()
    if kind not in (cel.Type.BOOL, cel.Type.DYN):
        raise ConditionError(
            f"a condition is true or false, and this is {_type_name(kind)}", "Compare it: `… == …`, `… > …`"
        )
    return Condition(text, place, variables, expression)


@lru_cache(maxsize=1_024)
def compile_key(text: str) -> KeyExpression:
    """Check and compile the `key` of an entry. Raises ConditionError."""
    variables, expression = compile_checked(text, Place.ENTRY_KEY)
    kind = expression.return_type()
    if kind not in (cel.Type.STRING, cel.Type.INT, cel.Type.DYN):
        raise ConditionError(
            f"a key is a text or a whole number, and this is {_type_name(kind)}",
            "Name a property, as in `event.properties.cart_id`, or turn it into text with `string(…)`",
        )
    return KeyExpression(text, Place.ENTRY_KEY, variables, expression)


@lru_cache(maxsize=1_024)
def compile_value(text: str, place: Place) -> ValueExpression:
    """Check and compile an expression that gives a value. Raises ConditionError."""
    variables, expression = compile_checked(text, place)
    kind = expression.return_type()
    wanted = (cel.Type.STRING, cel.Type.TIMESTAMP, cel.Type.DYN)
    if place is Place.DELAY_DATE and kind not in wanted:
        raise ConditionError(
            f"a date is a time or a text, and this is {_type_name(kind)}",
            "Name a trait: `profile.traits.trial_ends_at`",
        )
    return ValueExpression(text, place, variables, expression)


def _key_text(value: Any) -> str | None:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float() if isfinite(value):
            # JSON does not tell 42.0 from 42, and clients write either for the same id.
            return format(Decimal(repr(value)), "f").removesuffix(".0")
    return None


def _plain(value: Any) -> Any:
    """Raises TypeError for what neither JSON, as the database has it, nor a time can hold."""
    match value:
        case str() if "\0" in value:
            raise TypeError(r"a text with the character \u0000 cannot be kept")
        case cel.Value():
            return _plain(value.value())
        case None | bool() | int() | str() | datetime():
            return value
        case float() if isfinite(value):
            return value
        case list():
            return [_plain(item) for item in value]
        case dict():
            return {str(_plain(key)): _plain(item) for key, item in value.items()}
    raise TypeError(f"{_named(value)} cannot be kept")


def _named(value: Any) -> str:
    """What a value is, without saying what it says: the text is kept beside a person's data, and need not repeat it."""
    names = {"NoneType": "null", "str": "a text", "int": "a number", "float": "a number", "bool": "true or false"}
    return names.get(type(value).__name__, f"a {type(value).__name__}")


def _type_name(kind: cel.Type) -> str:
    return str(kind.name()).lower()
