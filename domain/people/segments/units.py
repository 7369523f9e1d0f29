"""Segments that are judged together, with the conditions and what these read."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from domain.conditions.cel_roots import STAGE_VARIABLE
from domain.conditions.expressions import Condition, ExpressionScope, compile_condition
from domain.people.segments.definition import MembershipChange, Memberships, SegmentDefinition
from domain.people.segments.explanation import Roots
from domain.people.segments.inputs import list_inputs


class UnitPart:
    """A definition with its condition, and the ids of the segments that it reads."""

    def __init__(self, definition: SegmentDefinition, ids: Mapping[str, int], stages: Collection[int]) -> None:
        self.definition = definition
        # As memberships name it.
        self.name = str(definition.id)
        self.condition: Condition = compile_condition(definition.rule.where, ExpressionScope.SEGMENT_WHERE)
        self.reads = frozenset(ids[key] for key in self.condition.segments if key in ids)
        if STAGE_VARIABLE in self.condition.variables:
            self.reads |= frozenset(stages)


class SegmentUnit:
    """A segment, or an exclusive group: what is judged together."""

    def __init__(self, parts: Sequence[UnitPart], timed_traits: Collection[str]) -> None:
        self.parts = parts
        self.ids = frozenset(part.definition.id for part in parts)
        self.group = parts[0].definition.rule.exclusive
        self.named = frozenset(id for part in parts for id in part.reads)
        self.reads = self.named - self.ids
        self.computed = frozenset(key for part in parts for key in part.condition.computed)
        self.inputs = frozenset(name for part in parts for name in list_inputs(part.condition.checked))
        # The computed traits that time alone may change.
        self.timed_traits = self.computed.intersection(timed_traits)
        self.is_timed = bool(self.timed_traits) or any(part.condition.checked.reads_time for part in parts)

    def evaluate(self, roots: Roots) -> tuple[set[int], datetime | None]:
        """Return the ids of the segments that hold, and when that may change."""
        holding: set[int] = set()
        next_at: datetime | None = None
        for part in self.parts:
            outcome = part.condition.evaluate(roots.time, roots.spent, profile=roots.profile, account=roots.account)
            next_at = find_earliest(next_at, outcome.changes_at)
            if outcome.holds:
                # The last one that holds is that of an exclusive group.
                holding = {part.definition.id} if self.group is not None else holding | {part.definition.id}
        return holding, next_at

    def list_changes(self, holding: Collection[int], members: Memberships, at: datetime) -> list[MembershipChange]:
        """Return who leaves and joins once these hold, in a group with counterparts."""
        changed = [one for one in self.parts if (one.name in members) != (one.definition.id in holding)]
        if not changed:
            return []
        left = [one.definition for one in changed if one.name in members]
        joined = [one.definition for one in changed if one.name not in members]
        left_for = joined[-1].key if joined and self.group is not None else None
        joined_from = left[-1].key if left and self.group is not None else None
        return [
            *(MembershipChange(one.id, one.key, False, at, self.group, left_for) for one in left),
            *(MembershipChange(one.id, one.key, True, at, self.group, joined_from) for one in joined),
        ]


def group_definitions(definitions: Iterable[SegmentDefinition]) -> Iterator[list[SegmentDefinition]]:
    """Iterate over what is judged together: a segment, or a group by position."""
    groups: dict[str, list[SegmentDefinition]] = {}
    for one in definitions:
        if one.rule.exclusive is None:
            yield [one]
        else:
            groups.setdefault(one.rule.exclusive, []).append(one)
    for group in groups.values():
        yield sorted(group, key=lambda one: one.rule.position)


def order_units(units: Sequence[SegmentUnit]) -> list[SegmentUnit]:
    """Return units so that each follows those that it reads; there are no circles."""
    unit_of = {id: unit for unit in units for id in unit.ids}
    ordered: dict[SegmentUnit, None] = {}

    def place(unit: SegmentUnit) -> None:
        if unit in ordered:
            return
        for id in sorted(unit.reads):
            place(unit_of[id])
        ordered[unit] = None

    for unit in units:
        place(unit)
    return list(ordered)


def find_earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the earlier of two instants; None is never."""
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)
