"""The `where`, `of` and `by` of traits, over one event."""

from datetime import datetime
from math import isfinite
from typing import Any

import msgspec

from domain.conditions.cel_costs import Spent
from domain.conditions.expressions import EvaluationTime, ExpressionScope, Prepared, compile_condition, compile_value
from domain.epoch import to_microseconds
from domain.people.computed.aggregates import MAX_AMOUNT
from domain.people.computed.definition import TraitRule

# A text that is counted is part of the state: a name or an id, not a page.
MAX_COUNTED_CHARACTERS = 255
# The value of a first or last event, as JSON.
MAX_KEPT_BYTES = 1_024


class _NotCounted:
    """The value of an event that does not count."""


NOT_COUNTED = _NotCounted()


def is_counted(rule: TraitRule, event: Prepared, at: datetime, spent: Spent | None = None) -> bool:
    """Return whether an event fulfils `where`. One that cannot be evaluated does not."""
    if rule.where is None:
        return True
    condition = compile_condition(rule.where, ExpressionScope.COMPUTED)
    return condition.evaluate(EvaluationTime(at), spent, event=event).holds


def read_value(rule: TraitRule, event: Prepared, at: datetime, spent: Spent | None = None) -> Any:
    """Return an event's value for a trait, or NOT_COUNTED; its time without one.

    A value that is absent, null, of another kind or too large does not count: one bad event spoils no trait.
    """
    if (text := rule.of or rule.by) is None:
        return to_microseconds(at)
    expression = compile_value(text, ExpressionScope.COMPUTED)
    value, error, _ = expression.evaluate(EvaluationTime(at), spent, event=event)
    if error is not None or value is None:
        return NOT_COUNTED
    if rule.type == "timestamp":
        return to_microseconds(value)
    return value if _is_usable(rule, value) else NOT_COUNTED


def _is_usable(rule: TraitRule, value: Any) -> bool:
    match rule.function:
        case "sum" | "min" | "max":
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return is_number and isfinite(value) and (rule.function != "sum" or abs(value) < MAX_AMOUNT)
        case "count" | "top" | "distinct":
            if isinstance(value, str):
                return len(value) <= MAX_COUNTED_CHARACTERS
            # The keys of a map are texts.
            return rule.by is None and isinstance(value, bool | int | float)
        case _:
            return not hasattr(value, "tzinfo") and len(msgspec.json.encode(value)) <= MAX_KEPT_BYTES
