"""The segments, computed traits, areas and topics that segments read."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from domain.conditions.cel_checks import find_segments
from domain.conditions.cel_roots import STAGE_VARIABLE
from domain.conditions.cel_syntax import CheckedTree, conjuncts
from domain.conditions.expressions import Condition, ExpressionScope, compile_condition
from domain.people.segments.definition import SegmentRule
from domain.people.segments.stages import LIFECYCLE

_TRAITS: Final = "profile.traits"


class SegmentReads(NamedTuple):
    """The keys of what a condition reads, and the stages with which it compares."""

    segments: frozenset[str]
    computed: frozenset[str]
    areas: frozenset[str]
    stages: frozenset[str]
    topics: frozenset[str]


def compile_rule(rule: SegmentRule) -> Condition:
    """Compile the condition of a segment. Raises ConditionError."""
    return compile_condition(rule.where, ExpressionScope.SEGMENT_WHERE)


def list_reads(rule: SegmentRule) -> SegmentReads:
    """Return the keys that a valid rule reads."""
    condition = compile_rule(rule)
    checked = condition.checked
    return SegmentReads(condition.segments, condition.computed, checked.areas, checked.stages, checked.topics)


def find_required(where: str) -> str | None:
    """Return a segment that an audience's condition requires; None for none."""
    condition = compile_condition(where, ExpressionScope.AUDIENCE_WHERE)
    tree = CheckedTree(condition.checked.tree)
    return next((key for _, key in find_segments(conjuncts(tree.root), tree)), None)


def list_traits(rule: SegmentRule) -> list[str]:
    """Return the traits that a valid rule names."""
    paths = compile_rule(rule).checked.paths
    return [path[1] for path in paths if path[0] == _TRAITS and len(path) > 1]


def find_circle(key: str, rules: Mapping[str, SegmentRule]) -> list[str] | None:
    """Return the shortest way by which a segment reads itself; None if there is none.

    The segments of an exclusive group are judged together, and may read one another.
    """
    start = _unit(key, rules)
    paths = [[one] for one in _members(key, rules)]
    seen: set[str] = set()
    while paths:
        path = paths.pop(0)
        for read in _list_read(rules[path[-1]], rules):
            unit = _unit(read, rules)
            if unit == start and (len(path) > 1 or rules[key].exclusive is None):
                return [*path, read]
            if unit != start and unit not in seen:
                seen.add(unit)
                paths += [[*path, other] for other in _members(read, rules)]
    return None


def order_by_references(rules: Mapping[str, SegmentRule]) -> list[str]:
    """Return the keys so that each follows those that it reads; there are no circles."""
    ordered: dict[str, None] = {}

    def place(key: str) -> None:
        if key not in ordered:
            for read in _list_read(rules[key], rules):
                place(read)
            ordered[key] = None

    for key in rules:
        place(key)
    return list(ordered)


def _list_read(rule: SegmentRule, rules: Mapping[str, SegmentRule]) -> list[str]:
    """Return the segments that a rule reads, all stages if it reads the stage."""
    condition = compile_rule(rule)
    read = condition.segments & rules.keys()
    if STAGE_VARIABLE in condition.variables and rule.exclusive != LIFECYCLE:
        read |= {key for key, one in rules.items() if one.exclusive == LIFECYCLE}
    return sorted(read)


def _unit(key: str, rules: Mapping[str, SegmentRule]) -> str:
    """Return the name of what is judged together. No key has a space."""
    group = rules[key].exclusive
    return key if group is None else f"group {group}"


def _members(key: str, rules: Mapping[str, SegmentRule]) -> list[str]:
    unit = _unit(key, rules)
    return [other for other in rules if _unit(other, rules) == unit]
