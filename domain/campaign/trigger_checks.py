"""Checks of triggers in a document: one in each place, properties that exist."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from domain.campaign.raw_steps import iter_steps
from domain.campaign.steps.kinds import CONTROL_STEPS
from domain.campaign.trigger_fields import TRIGGER_KEYS
from domain.campaign.triggers.kinds import TRIGGERS, examples
from domain.conditions.expressions import ConditionError, ExpressionScope, compile_value
from domain.document.raw_values import list_at, mapping_at
from domain.document.yaml_source import Path, YamlSource
from domain.errors import Problem
from domain.suggestions import did_you_mean, find_closest


class RawTrigger(NamedTuple):
    """A raw mapping that names events. Unless `is_needed`, something else may do."""

    path: Path
    holder: dict[str, Any]
    scope: ExpressionScope
    is_needed: bool


def check_triggers(source: YamlSource) -> Iterator[Problem]:
    """Find missing triggers, several in one place, and properties that do not exist."""
    for raw in iter_triggers(source):
        written = [key for key in raw.holder if key in TRIGGER_KEYS]
        if not written and raw.is_needed and not any(_may_mean_trigger(key) for key in raw.holder):
            yield source.problem(raw.path, "it names no event", f"Write one of {examples()}")
        for key in written[1:]:
            said = f"`{key}` cannot stand beside `{written[0]}`"
            yield source.problem(
                (*raw.path, key), said, "Keep one of the two: a list of exits, or of `events`, has an item for each"
            )
        if len(written) == 1:
            yield from _check_properties(source, raw, written[0])


def iter_triggers(source: YamlSource) -> Iterator[RawTrigger]:
    """Iterate over the mappings of a document that may name events."""
    yield RawTrigger(("entry",), mapping_at(source.data, "entry"), ExpressionScope.ENTRY_WHERE, False)
    for index, exit in enumerate(list_at(source.data, "exit") if isinstance(source.data, dict) else ()):
        if isinstance(exit, dict):
            yield RawTrigger(("exit", index), exit, ExpressionScope.EXIT_WHERE, True)
    if goal := mapping_at(source.data, "goal"):
        yield RawTrigger(("goal",), goal, ExpressionScope.EXIT_WHERE, True)
    for placed in iter_steps(source):
        for kind in CONTROL_STEPS:
            for path, holder in kind.raw_events(placed.step):
                is_item = isinstance(path[-1], int)
                yield RawTrigger((*placed.path, *path), holder, ExpressionScope.WAIT_WHERE, is_item)


def _may_mean_trigger(key: Any) -> bool:
    """Whether an unknown key looks like one of a trigger, which its own problem says."""
    return find_closest(str(key), TRIGGER_KEYS) is not None


def _check_properties(source: YamlSource, raw: RawTrigger, key: str) -> Iterator[Problem]:
    """Find properties that events of the kind never have."""
    kind = next(kind for kind in TRIGGERS if kind.key == key)
    if kind.properties is None:
        return
    for field in ("where", "key"):
        for path in _named_paths(raw.holder.get(field), raw.scope):
            if path[0] == "event.properties" and len(path) > 1 and path[1] not in kind.properties:
                said = f"an event of `{key}` has no property `{path[1]}`"
                yield source.problem((*raw.path, field), said, did_you_mean(path[1], kind.properties, "It has"))


def _named_paths(text: Any, scope: ExpressionScope) -> tuple[tuple[str, ...], ...]:
    """Return the places in the data that an expression names; none if it is faulty."""
    try:
        return compile_value(text, scope).checked.paths if isinstance(text, str) else ()
    except ConditionError:
        # The field itself reports it.
        return ()
