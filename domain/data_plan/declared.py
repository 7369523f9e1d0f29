"""Events as they are declared, and how a reported one departs from that."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from msgspec import Struct

from domain.data_plan.paths import PropertyType, is_plain_name, iter_values, type_of
from domain.tracking.event import AUDIENCE, NAMED_CALLS, SOJOURN_SOURCE, CallType, EventType

DeclaredType = Literal["string", "integer", "number", "boolean", "timestamp", "object", "list", "any"]
DeclaredValue = str | int | float | bool
ViolationKind = Literal["unknown_event", "unknown_property", "missing_property", "wrong_type", "wrong_value"]

# For one event.
MAX_VIOLATIONS: Final = 20

_JSON_TYPES: Final[Mapping[DeclaredType, frozenset[PropertyType]]] = {
    "string": frozenset({"string"}),
    "integer": frozenset({"integer"}),
    "number": frozenset({"integer", "number"}),
    "boolean": frozenset({"boolean"}),
    "timestamp": frozenset({"string"}),
    "object": frozenset({"object"}),
    "list": frozenset({"array"}),
}


class PropertyRule(Struct, frozen=True, omit_defaults=True):
    """A declared property. `values` are all that are allowed, if there are any."""

    path: str
    type: DeclaredType = "any"
    values: tuple[DeclaredValue, ...] = ()
    is_required: bool = False
    description: str | None = None


class DeclaredEventRule(Struct, frozen=True, omit_defaults=True):
    """A declared event.

    Without a name it stands for all of its type: the traits of an identify, or with `is_closed` the promise that no
    other names are reported. `is_closed` of a named one is the promise for its properties.
    """

    type: CallType
    event: str | None = None
    properties: tuple[PropertyRule, ...] = ()
    is_closed: bool = False
    description: str | None = None

    @property
    def name(self) -> str:
        """Return the name of the rule."""
        return f"{self.type} {self.event or '(others)'}" if self.type in NAMED_CALLS else self.type


class Violation(Struct, frozen=True):
    """A departure of an event from the plan; none of it is a value.

    `path` is the property's; None for the event itself, and for a property whose name cannot be kept.
    """

    source: str
    type: EventType
    name: str
    kind: ViolationKind
    path: str | None
    detail: str

    @property
    def text(self) -> str:
        """Return it in words, for the timeline of its event."""
        if self.kind == "unknown_event":
            return f"the name {self.detail}"
        return f"{self.path or 'a property'} {self.detail}"


class DeclaredEvents:
    """The declared events of a deployment; nothing violates an empty plan."""

    def __init__(self, rules: Sequence[DeclaredEventRule]) -> None:
        self._rules: dict[tuple[EventType, str | None], DeclaredEventRule] = {
            (rule.type, rule.event): rule for rule in rules
        }

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is declared."""
        return not self._rules

    def find_violations(
        self, source: str, type: EventType, name: str | None, properties: Mapping[str, Any]
    ) -> list[Violation]:
        """Return how an event departs from the plan. Sojourn's own events never do."""
        if source == SOJOURN_SOURCE or type == AUDIENCE:
            return []
        named = name if type in NAMED_CALLS else None
        rule = self._rules.get((type, named))
        if rule is None:
            others = self._rules.get((type, None))
            if others is None or not others.is_closed:
                return []
            kept = named if named and is_plain_name(named) else ""
            return [Violation(source, type, kept, "unknown_event", None, "is not declared")]
        found = {
            Violation(source, type, named or "", kind, path, detail)
            for kind, path, detail in _departures(rule, properties)
        }
        return sorted(found, key=lambda one: (one.path or "", one.kind, one.detail))[:MAX_VIOLATIONS]


def _departures(
    rule: DeclaredEventRule, properties: Mapping[str, Any]
) -> Iterator[tuple[ViolationKind, str | None, str]]:
    declared = {one.path: one for one in rule.properties}
    reported: set[str] = set()
    for path, value in iter_values(properties):
        known = None if path is None else declared.get(path)
        if path is not None:
            reported.add(path)
        if known is not None:
            yield from _mismatch(known, value)
        elif rule.is_closed and not (path and _is_around_or_within(path, declared)):
            yield "unknown_property", path, "is not declared"
    for path, known in declared.items():
        if known.is_required and path not in reported and _has_parent(path, properties):
            yield "missing_property", path, "is missing"


def _mismatch(known: PropertyRule, value: Any) -> Iterator[tuple[ViolationKind, str, str]]:
    if value is None:
        if known.is_required:
            yield "missing_property", known.path, "is null"
        return
    type = type_of(value)
    if known.type != "any" and (
        type not in _JSON_TYPES[known.type] or (known.type == "timestamp" and not _is_instant(value))
    ):
        yield "wrong_type", known.path, f"is {_with_article(type)} instead of {_with_article(known.type)}"
    elif known.values and not any(value == one and type_of(one) == type for one in known.values):
        yield "wrong_value", known.path, f"is not one of {len(known.values)} declared values"


def _is_around_or_within(path: str, declared: Mapping[str, PropertyRule]) -> bool:
    """Return whether a path leads to a declared one, or into a whole one."""
    if any(other.startswith((f"{path}.", f"{path}[]")) for other in declared):
        return True
    outer = re.sub(r"(\.[^.]*|\[\])$", "", path)
    while outer and outer not in declared and outer != path:
        path, outer = outer, re.sub(r"(\.[^.]*|\[\])$", "", outer)
    return outer in declared and not any(other.startswith((f"{outer}.", f"{outer}[].")) for other in declared)


def _has_parent(path: str, properties: Mapping[str, Any]) -> bool:
    """Return whether the object that a required property belongs to was reported."""
    parent, separator, _ = path.rpartition(".")
    return not separator or any(other == parent and isinstance(value, dict) for other, value in iter_values(properties))


def _is_instant(value: Any) -> bool:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


def _with_article(type: str) -> str:
    return f"an {type}" if type[0] in "aio" else f"a {type}"
