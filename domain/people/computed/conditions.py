"""The `where`, `of` and `by` of traits, over one event."""

from math import isfinite
from typing import Any

import msgspec

from domain.conditions.cel_costs import Spent
from domain.conditions.expressions import EvaluationTime, ExpressionScope, Prepared, compile_condition, compile_value
from domain.epoch import to_microseconds
from domain.people.computed.aggregates import MAX_AMOUNT
from domain.people.computed.definition import TraitRule
from domain.tracking.event import Event

# A text that is counted is part of the state: a name or an id, not a page.
MAX_COUNTED_CHARACTERS = 255
# The value of a first or last event, as JSON.
MAX_KEPT_BYTES = 1_024


class _NotCounted:
    """The value of an event that does not count."""


NOT_COUNTED = _NotCounted()


class EventReading:
    """One event as traits read it: equal expressions are evaluated once.

    `at` is in microseconds, and `id` a text, as states hold them.
    """

    __slots__ = ("_conditions", "_event", "_spent", "_time", "_values", "at", "id")

    def __init__(self, event: Event, spent: Spent | None = None) -> None:
        self.at = to_microseconds(event.timestamp)
        self.id = str(event.id)
        self._event = Prepared(event)
        self._time = EvaluationTime(event.timestamp)
        self._spent = spent
        self._conditions: dict[str, bool] = {}
        self._values: dict[str, Any] = {}

    def is_counted(self, rule: TraitRule) -> bool:
        """Return whether the event fulfils `where`. One that cannot be evaluated does not."""
        if (where := rule.where) is None:
            return True
        if (known := self._conditions.get(where)) is None:
            condition = compile_condition(where, ExpressionScope.COMPUTED)
            known = self._conditions[where] = condition.evaluate(self._time, self._spent, event=self._event).holds
        return known

    def value(self, rule: TraitRule) -> Any:
        """Return the event's value for a trait, or NOT_COUNTED; its time without one.

        A value that is absent, null, of another kind or too large does not count: one bad event spoils no trait.
        """
        if (text := rule.of or rule.by) is None:
            return self.at
        value: Any = self._values.get(text)
        if value is None:
            found, error, _ = compile_value(text, ExpressionScope.COMPUTED).evaluate(
                self._time, self._spent, event=self._event
            )
            value = self._values[text] = NOT_COUNTED if error is not None or found is None else found
        if value is NOT_COUNTED:
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
