"""CEL conditions, keys and values: checked at publication, evaluated later.

Each field of a root is declared to CEL as a variable (`event.properties`, `profile.traits`), so that CEL itself refuses
`event.propertis.value` and `event.message_id > 3`. Data below `properties`, `context`, `traits` and `consent` has an
unknown shape: a missing key there is an error of the evaluation, and a condition that fails does not hold.

CEL-C++ bounds an evaluation to 10,000 iterations and an expression to 32 levels; `cel_costs` bounds their work.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
from cel_expr_python import cel

from domain.conditions.cel_compile import MAX_LENGTH, Checked, ConditionError, compile_checked
from domain.conditions.cel_costs import MAX_UNITS, Spent
from domain.conditions.cel_data import Size, Unusable, cel_data, size_of
from domain.conditions.cel_errors import explain_failure
from domain.conditions.cel_roots import COMPUTED, NULLABLE_TEXT, ExpressionScope
from domain.conditions.cel_times import KNOWN_SINCE, EvaluationTime, TimeReading, evaluate_at
from domain.conditions.cel_values import describe_type, is_missing, key_text, plain_value, type_name
from domain.conditions.unknown_names import unknown_place, unknown_segment, unknown_stage, unknown_topic
from domain.deployed_names import DeployedNames

__all__ = [
    "Condition",
    "ConditionError",
    "ConditionOutcome",
    "EvaluationTime",
    "ExpressionScope",
    "KeyExpression",
    "KeyOutcome",
    "Prepared",
    "ValueExpression",
    "ValueOutcome",
    "check_names",
    "compile_condition",
    "compile_key",
    "compile_value",
]

MAX_KEY_LENGTH = 255
# As much as one event may have. A trait that contains itself twice would double each time.
MAX_VALUE_BYTES = 32 * 1024
_MAX_ERROR_LENGTH = 300
# The part of CEL's error that is read. It holds any key of the expression; a key of the data may be far longer.
_MAX_SAID = MAX_LENGTH + 100
# The units of work for each value that is converted for CEL.
_PREPARED_UNITS = 2
_COMPUTED_FIELD = "computed."
_HAS_NAMES = re.compile(r"\bprofile\s*\.\s*(computed|segments|stage|subscriptions)\b|\bin_area\b")
_KEY_NOT_FOUND = re.compile(r'Key not found in map : "((?:[^"\\]|\\.)*)"')


class ConditionOutcome(NamedTuple):
    """Whether a condition holds, and the error if it could not be evaluated.

    `missing` is the absent place in the data, as `profile.traits.plan`, if that was the error. `changes_at` is the
    first instant at which the outcome may change by itself; None is never. A change of computed traits is not in it.
    """

    holds: bool
    error: str | None = None
    missing: str | None = None
    changes_at: datetime | None = None


class KeyOutcome(NamedTuple):
    """The key, or None and an error; `missing` as in ConditionOutcome."""

    value: str | None
    error: str | None = None
    missing: str | None = None


class ValueOutcome(NamedTuple):
    """The value, or None and an error; `missing` as in ConditionOutcome."""

    value: Any
    error: str | None = None
    missing: str | None = None


class _Failure(NamedTuple):
    error: str
    missing: str | None


class _Result(NamedTuple):
    value: Any
    failure: _Failure | None = None
    changes_at: datetime | None = None


class Prepared:
    """A root for many expressions: each of its fields is converted for CEL once."""

    __slots__ = ("_fields", "_holder")

    def __init__(self, holder: object) -> None:
        self._holder = holder
        self._fields: dict[str, tuple[Any, Size]] = {}

    def field(self, name: str, spent: Spent) -> tuple[Any, Size]:
        """Return a field and its size; None if it is absent. Raises Unusable."""
        if (known := self._fields.get(name)) is None:
            value = self._read_computed(name) if name.startswith(_COMPUTED_FIELD) else cel_data(self.get(name))
            known = self._fields[name] = (value, size_of(value))
            spent.units += _PREPARED_UNITS * known[1].nodes
        return known

    def forget(self, name: str) -> None:
        """Read a field anew next time, since the root has another value."""
        self._fields.pop(name, None)

    def get(self, name: str) -> Any:
        """Return a field as it is; None if it is absent."""
        holder = self._holder
        return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)

    def _read_computed(self, name: str) -> Any:
        """Return a computed trait, whose type stays: a sum is a decimal, even 42.0."""
        key = name.removeprefix(_COMPUTED_FIELD)
        traits = self.get("computed")
        if not isinstance(traits, Mapping) or key not in traits:
            raise _Absent
        value = traits[key]
        return value if isinstance(value, float) else cel_data(value)


class _Absent(Unusable):
    """A computed trait that is not there, or not yet."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    text: str
    place: ExpressionScope
    checked: Checked

    @property
    def variables(self) -> frozenset[str]:
        """The variables that the expression reads: `event.properties`, `profile.traits`."""
        return self.checked.variables

    @property
    def values(self) -> tuple[tuple[str, ...], ...]:
        """The values that the expression uses: a variable, and the keys below it."""
        return self.checked.values

    @property
    def segments(self) -> frozenset[str]:
        """The keys of the segments that the expression asks for."""
        return self.checked.segments

    @property
    def computed(self) -> frozenset[str]:
        """The keys of the computed traits that the expression reads."""
        return frozenset(variable.removeprefix(f"{COMPUTED}.") for variable in self.checked.computed)

    def _result(self, time: EvaluationTime, roots: Mapping[str, Any], spent: Spent) -> _Result:
        data, sizes, unusable = self._data(roots, spent)
        if self.checked.cost.exceeds(data, sizes, spent):
            return _Result(None, _Failure(f"it takes more than {MAX_UNITS:,} units of work over this much data", None))
        reading: TimeReading | None = None
        try:
            if self.checked.reads_time:
                reading = TimeReading(time, _prepare(roots.get("profile")).get, data.get(KNOWN_SINCE))
                value = evaluate_at(reading, self._expression(data), data)
            else:
                value = self._expression(data).eval(data=data)
            if value.type() != cel.Type.ERROR:
                return _Result(value.value(), None, _changes_at(reading))
            error = str(value.value())[:_MAX_SAID]
        except (RuntimeError, ValueError, TypeError) as raised:
            error = str(raised)[:_MAX_SAID]
        if (missing := self._find_missing(error, data)) is not None:
            error = f"there is no {missing}"
        else:
            error = explain_failure(error)
        failure = _Failure("; ".join([*unusable, error])[:_MAX_ERROR_LENGTH], missing)
        return _Result(None, failure, _changes_at(reading))

    def _expression(self, data: Mapping[str, Any]) -> cel.Expression:
        """Return the expression for the types of the computed traits in the data."""
        if not self.checked.computed:
            return self.checked.untimed
        times = [variable for variable in self.checked.computed if isinstance(data.get(variable), datetime)]
        return self.checked.expression(frozenset(times))

    def _data(self, roots: Mapping[str, Any], spent: Spent) -> tuple[dict[str, Any], dict[str, Size], list[str]]:
        """Return the data, their sizes, and the unusable fields, which may not matter."""
        data: dict[str, Any] = {}
        sizes: dict[str, Size] = {}
        unusable: list[str] = []
        for variable, root, field, is_nullable in self.checked.reads:
            holder = roots.get(root)
            try:
                value, size = _prepare(holder).field(field, spent)
            except _Absent:
                unusable.append(f"there is no {variable}")
                continue
            except Unusable as error:
                unusable.append(f"{variable}: {error}")
                continue
            if value is None and (holder is None or not is_nullable):
                unusable.append(f"there is no {variable}")
            else:
                data[variable] = value
                sizes[variable] = size
        return data, sizes, unusable

    def _find_missing(self, error: str, data: Mapping[str, Any]) -> str | None:
        """Return the missing path as the expression names it; None for another error."""
        found = _KEY_NOT_FOUND.search(error)
        if found is None or found[1] not in self.checked.keys:
            # A key from the data may be personal, so it is not repeated.
            return None
        named = (path for path in self.checked.paths if found[1] in path[1:] and is_missing(path, found[1], data))
        return ".".join(next(named, (found[1],)))


class Condition(_Compiled):
    """A checked condition over roots: mappings, objects with ROOTS' fields, Prepared."""

    __slots__ = ()

    def evaluate(self, time: EvaluationTime, spent: Spent | None = None, /, **roots: Any) -> ConditionOutcome:
        """Evaluate the condition. Never raises: a failed one does not hold."""
        value, failure, changes_at = self._result(time, roots, spent or Spent())
        if failure is not None:
            return ConditionOutcome(False, failure.error, failure.missing, changes_at)
        if not isinstance(value, bool):
            said = f"the condition is {describe_type(value)}, not true or false"
            return ConditionOutcome(False, said, changes_at=changes_at)
        return ConditionOutcome(value, changes_at=changes_at)

    def holds(self, time: EvaluationTime, /, **roots: Any) -> bool:
        return self.evaluate(time, **roots).holds


class KeyExpression(_Compiled):
    """A checked expression that distinguishes the journeys of one user."""

    __slots__ = ()

    def evaluate(self, time: EvaluationTime, spent: Spent | None = None, /, **roots: Any) -> KeyOutcome:
        """Return the key as text, or an error. Never raises."""
        value, failure, _ = self._result(time, roots, spent or Spent())
        if failure is not None:
            return KeyOutcome(None, failure.error, failure.missing)
        key = key_text(value)
        if key is None:
            return KeyOutcome(None, f"{describe_type(value)} cannot be a key")
        if not key or len(key) > MAX_KEY_LENGTH or "\0" in key:
            return KeyOutcome(None, rf"a key has 1 to {MAX_KEY_LENGTH} characters, and none of them is \u0000")
        return KeyOutcome(key)

    def value(self, time: EvaluationTime, /, **roots: Any) -> str | None:
        return self.evaluate(time, **roots).value


class ValueExpression(_Compiled):
    """A checked expression whose value is used: JSON, or a time."""

    __slots__ = ()

    def evaluate(self, time: EvaluationTime, spent: Spent | None = None, /, **roots: Any) -> ValueOutcome:
        """Return the value as JSON, an instant as a datetime, or an error. Never raises."""
        value = self._look_up(roots, spent or Spent())
        failure = None
        if value is _ELSEWHERE:
            value, failure, _ = self._result(time, roots, spent or Spent())
        if failure is not None:
            return ValueOutcome(None, failure.error, failure.missing)
        try:
            plain = plain_value(value)
        except TypeError as refused:
            return ValueOutcome(None, str(refused))
        if (size := len(msgspec.json.encode(plain))) > MAX_VALUE_BYTES:
            return ValueOutcome(None, f"a value of {size:,} bytes cannot be kept: {MAX_VALUE_BYTES:,} can")
        return ValueOutcome(plain)

    def _look_up(self, roots: Mapping[str, Any], spent: Spent) -> Any:
        """Return the value at the expression's place, without CEL; else _ELSEWHERE.

        An absent place is left to CEL, which explains it.
        """
        if (path := self.checked.path) is None:
            return _ELSEWHERE
        root, _, field = path[0].partition(".")
        try:
            value, _ = _prepare(roots.get(root)).field(field, spent)
        except Unusable:
            return _ELSEWHERE
        for key in path[1:]:
            if not isinstance(value, Mapping) or key not in value:
                return _ELSEWHERE
            value = value[key]
        return value


# A value that CEL has to find.
_ELSEWHERE: Final = object()


def _prepare(holder: object) -> Prepared:
    return holder if isinstance(holder, Prepared) else Prepared(holder)


def _changes_at(reading: TimeReading | None) -> datetime | None:
    return None if reading is None else reading.changes_at


def check_names(text: str, place: ExpressionScope, names: DeployedNames) -> None:
    """Check the types of computed traits, and that segments, topics and others exist.

    Raises ConditionError.
    """
    if not _HAS_NAMES.search(text):
        return
    checked = compile_checked(text, place, names.computed)
    if place is ExpressionScope.ENTRY_KEY:
        _require_key(checked.kind)
    elif place in (ExpressionScope.DELAY_DATE, ExpressionScope.VALUE):
        _require_value(checked.kind, place)
    else:
        _require_condition(checked.kind)
    for key in sorted(checked.segments.difference(names.segments)):
        raise ConditionError(*unknown_segment(key, names.segments))
    for key in sorted(checked.areas.difference(names.areas)):
        raise ConditionError(*unknown_place("area", key, names.areas))
    for key in sorted(checked.topics.difference(names.topics)):
        raise ConditionError(*unknown_topic(key, names.topics))
    known = [stage.key for stage in names.stages]
    for key in sorted(checked.stages.difference(known) if known else ()):
        raise ConditionError(*unknown_stage(key, known))


@lru_cache(maxsize=4_096)
def compile_condition(text: str, place: ExpressionScope) -> Condition:
    """Check and compile a condition. Raises ConditionError."""
    checked = compile_checked(text, place)
    _require_condition(checked.kind)
    return Condition(text, place, checked)


@lru_cache(maxsize=1_024)
def compile_key(text: str) -> KeyExpression:
    """Check and compile the `key` of an entry. Raises ConditionError."""
    checked = compile_checked(text, ExpressionScope.ENTRY_KEY)
    _require_key(checked.kind)
    return KeyExpression(text, ExpressionScope.ENTRY_KEY, checked)


@lru_cache(maxsize=1_024)
def compile_value(text: str, place: ExpressionScope) -> ValueExpression:
    """Check and compile an expression of any value. Raises ConditionError."""
    checked = compile_checked(text, place)
    _require_value(checked.kind, place)
    return ValueExpression(text, place, checked)


def _require_condition(kind: cel.Type) -> None:
    if kind not in (cel.Type.BOOL, cel.Type.DYN):
        raise ConditionError(
            f"a condition is true or false, and this is {type_name(kind)}", "Compare it: `… == …`, `… > …`"
        )


def _require_key(kind: cel.Type) -> None:
    if kind not in (cel.Type.STRING, cel.Type.INT, cel.Type.DYN, NULLABLE_TEXT):
        raise ConditionError(
            f"a key is a text or a whole number, and this is {type_name(kind)}",
            "Name a property, as in `event.properties.cart_id`, or turn it into text with `string(…)`",
        )


def _require_value(kind: cel.Type, place: ExpressionScope) -> None:
    wanted = (cel.Type.STRING, cel.Type.TIMESTAMP, cel.Type.DYN, NULLABLE_TEXT)
    if place is ExpressionScope.DELAY_DATE and kind not in wanted:
        raise ConditionError(
            f"a date is a time or a text, and this is {type_name(kind)}",
            "Name a trait: `profile.traits.trial_ends_at`",
        )
