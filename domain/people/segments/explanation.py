"""Values of a condition's parts for one person, and when time may change them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, Protocol

from msgspec import Struct

from domain.conditions.cel_areas import AREAS
from domain.conditions.cel_costs import Spent
from domain.conditions.cel_data import Unusable
from domain.conditions.cel_parts import ConditionPart, split_condition
from domain.conditions.cel_times import KNOWN_SINCE
from domain.conditions.expressions import Condition, EvaluationTime, ExpressionScope, Prepared, compile_condition

# Characters of a text that is shown as read.
MAX_SHOWN: Final = 80


class Roots(NamedTuple):
    """The data of one evaluation."""

    profile: Prepared
    account: Prepared
    time: EvaluationTime
    spent: Spent | None


class NextChange(Protocol):
    """When time may change one of some computed traits, by key; None is never."""

    def __call__(self, computed: frozenset[str], /) -> datetime | None: ...


class ExplainedPart(Struct, frozen=True):
    """A part of a condition with its value.

    It is None if the part could not be evaluated, which the `error` explains. `reads` are the plain values that it
    reads, by path, and the areas of the person. `changes_at` is when time may change it. A part of other `parts` has
    neither.
    """

    kind: Literal["all", "any", "not", "value"]
    text: str
    value: bool | None
    error: str | None
    reads: Mapping[str, Any]
    changes_at: datetime | None
    parts: Sequence["ExplainedPart"]

    def values(self) -> Iterator["ExplainedPart"]:
        """Iterate over the parts without parts, in the order of the text."""
        if self.kind == "value":
            yield self
        for part in self.parts:
            yield from part.values()


class FlippedPart(Struct, frozen=True):
    """A part that has another value than before, None where it cannot be evaluated."""

    text: str
    value: bool | None


def explain_condition(where: str, roots: Roots, next_change: NextChange | None = None) -> ExplainedPart:
    """Evaluate each part of a segment's condition.

    Without `next_change`, no change of a computed trait is looked for.
    Together the parts have the value of the whole: an error beside a false part of `&&`, or a true one of `||`, does
    not matter.
    """
    return _explain(split_condition(where), roots, next_change)


def find_flipped(before: ExplainedPart, after: ExplainedPart) -> list[FlippedPart]:
    """Return the parts of a condition with another value than before."""
    pairs = zip(before.values(), after.values(), strict=True)
    return [FlippedPart(new.text, new.value) for old, new in pairs if old.value is not new.value]


def _explain(part: ConditionPart, roots: Roots, next_change: NextChange | None) -> ExplainedPart:
    if part.kind == "value":
        return _evaluate(part.text, roots, next_change)
    parts = [_explain(one, roots, next_change) for one in part.parts]
    changes_at = min((one.changes_at for one in parts if one.changes_at is not None), default=None)
    return ExplainedPart(part.kind, part.text, _join(part.kind, parts), None, {}, changes_at, parts)


def _join(kind: Literal["all", "any", "not"], parts: Sequence[ExplainedPart]) -> bool | None:
    values = [part.value for part in parts]
    if kind == "not":
        return None if values[0] is None else not values[0]
    decisive = kind == "any"
    if decisive in values:
        return decisive
    return None if None in values else not decisive


def _evaluate(text: str, roots: Roots, next_change: NextChange | None) -> ExplainedPart:
    condition = compile_condition(text, ExpressionScope.SEGMENT_WHERE)
    outcome = condition.evaluate(roots.time, roots.spent, profile=roots.profile, account=roots.account)
    value = None if outcome.error is not None else outcome.holds
    of_traits = next_change(condition.computed) if next_change and condition.computed else None
    changes_at = min((at for at in (outcome.changes_at, of_traits) if at is not None), default=None)
    return ExplainedPart("value", text, value, outcome.error, _read(condition, roots), changes_at, ())


def _read(condition: Condition, roots: Roots) -> dict[str, Any]:
    """Return the plain values that a part reads, by path."""
    found: dict[str, Any] = {}
    # Functions read these without naming them.
    unnamed = [(name,) for name in (KNOWN_SINCE, AREAS) if name in condition.variables]
    for variable, *keys in (*condition.values, *unnamed):
        root, _, field = variable.partition(".")
        try:
            value, _ = (roots.profile if root == "profile" else roots.account).field(field, roots.spent or Spent())
        except Unusable:
            continue
        for key in keys:
            if not isinstance(value, Mapping) or key not in value:
                break
            value = value[key]
        else:
            if variable == AREAS:
                found[variable] = list(value)
            elif value is None or isinstance(value, str | bool | int | float | datetime):
                found[".".join((variable, *keys))] = _shorten(value) if isinstance(value, str) else value
    return found


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
