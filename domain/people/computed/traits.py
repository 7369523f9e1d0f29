"""The computed traits of a deployment: states that follow events, and values."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, assert_never

from domain.conditions.cel_costs import Spent
from domain.epoch import from_microseconds, to_microseconds
from domain.people.computed.aggregates import Aggregate, Count, CountBy, CountedEvent, Extreme, First, Last, Sum, Top
from domain.people.computed.conditions import NOT_COUNTED, EventReading
from domain.people.computed.definition import TraitDefinition, TraitRule, TraitType, is_selected
from domain.people.computed.rhythm import Rhythm
from domain.people.computed.states import Completion, Distinct, Ever, LastWithin, Lately, Total, TraitState
from domain.people.computed.window_log import CELLS, MAX_ENTRIES, MAX_EXACT_ENTRIES, WindowLog
from domain.tracking.event import Event, Trigger, Trust

# The state of a person: that of each trait, by its id. It is JSON.
ComputedState = Mapping[str, Any]

MAX_TOP_VALUES = 50
# A window has several of them, so that each is coarser.
MAX_TOP_VALUES_OF_CELL = 16
TOP_CELLS = 32


class ComputedTraits:
    """Definitions of traits, ready to follow events.

    `fold` and `merge` give the same values in any order and in any parts. The history of a merged or erased person's
    events need not be read, except for `sequence`: `sequences` names the traits whose completion the store has to find
    after an event, by `find_last_completion`, and to put with `put_completion`.
    """

    def __init__(self, definitions: Iterable[TraitDefinition]) -> None:
        self._traits = {definition.key: _Trait(definition) for definition in definitions}
        self._named: dict[tuple[str, str], list[_Trait]] = {}
        self._of_activity: list[_Trait] = []
        for trait in self._traits.values():
            for selector in {(one.type, one.name) for one in trait.rule.events}:
                match selector:
                    case (str() as type, str() as name):
                        self._named.setdefault((type, name), []).append(trait)
                    case _ if trait not in self._of_activity:
                        self._of_activity.append(trait)
        self.sequential = [one.definition for one in self._traits.values() if one.rule.function == "sequence"]
        self.types: dict[str, TraitType] = {key: trait.rule.type for key, trait in self._traits.items()}

    def hears(self, event: Event) -> bool:
        """Return whether an event may concern a trait. If not, it costs nothing more."""
        if event.trust is Trust.UNVERIFIED:
            return False
        if (event.type, event.name) in self._named:
            return True
        return bool(self._of_activity) and any(trait.is_selected(event) for trait in self._of_activity)

    def names(self, trigger: Trigger) -> bool:
        """Return whether a trait counts such events by this very name."""
        return trigger in self._named

    def keys(self, event: Event) -> list[str]:
        """Return the keys of the traits that an event may concern."""
        return [trait.definition.key for trait in self._list_concerned(event)]

    def fold(self, state: ComputedState, event: Event, spent: Spent | None = None) -> ComputedState:
        """Return the state with one more event; the same object if nothing changed."""
        reading: EventReading | None = None
        changed: dict[str, Any] = {}
        for trait in self._list_concerned(event):
            reading = reading or EventReading(event, spent)
            before = state.get(trait.id)
            after = trait.add(before, reading)
            if after != before:
                changed[trait.id] = after
        return {**state, **changed} if changed else state

    def merge(self, one: ComputedState, other: ComputedState) -> ComputedState:
        """Return the state of a person who did the events of both."""
        merged = {}
        for trait in self._traits.values():
            states = [state[trait.id] for state in (one, other) if trait.id in state]
            if states:
                merged[trait.id] = states[0] if len(states) == 1 else trait.kind.merge(*states)
        return merged

    def values(self, state: ComputedState, at: datetime) -> dict[str, Any]:
        """Return the value of each trait by key at an instant; None is unknown.

        `at` is not before the arrival of the newest event.
        """
        instant = to_microseconds(at)
        return {key: trait.value(state, instant) for key, trait in self._traits.items()}

    def view(self, state: ComputedState, at: datetime) -> "ComputedView":
        """Return the values as a mapping that works each out when it is asked for."""
        return ComputedView(self._traits, state, to_microseconds(at))

    def next_change(self, state: ComputedState, at: datetime, names: Collection[str]) -> datetime | None:
        """Return the first later instant at which one of these may change by itself."""
        instant = to_microseconds(at)
        changes = [
            change
            for name in names
            if (trait := self._traits.get(name)) is not None
            and (change := trait.kind.next_change(state.get(trait.id), instant)) is not None
        ]
        return from_microseconds(min(changes)) if changes else None

    def sequences(self, event: Event) -> list[TraitDefinition]:
        """Return the sequences that an event may be a step of, for the store to find."""
        if not self.sequential:
            return []
        return [trait.definition for trait in self._list_concerned(event) if trait.rule.function == "sequence"]

    def completion(self, state: ComputedState, definition: TraitDefinition) -> datetime | None:
        """Return the last known completion of a sequence."""
        completed = state.get(str(definition.id))
        return None if completed is None else from_microseconds(completed)

    def put_completion(
        self, state: ComputedState, definition: TraitDefinition, completed: datetime | None
    ) -> ComputedState:
        """Return the state with the last completion of a sequence as the history has it."""
        id = str(definition.id)
        rest = {other: value for other, value in state.items() if other != id}
        return rest if completed is None else {**rest, id: to_microseconds(completed)}

    def _list_concerned(self, event: Event) -> Iterator["_Trait"]:
        if event.trust is Trust.UNVERIFIED:
            return
        named = self._named.get((event.type, event.name), ()) if event.name is not None else ()
        yield from named
        for trait in self._of_activity:
            if trait not in named and trait.is_selected(event):
                yield trait


class ComputedView(Mapping[str, Any]):
    """The values of a person's traits at an instant, each worked out when asked for."""

    def __init__(self, traits: Mapping[str, "_Trait"], state: ComputedState, at: int) -> None:
        self._traits = traits
        self._state = state
        self._at = at

    def __getitem__(self, key: str) -> Any:
        return self._traits[key].value(self._state, self._at)

    def __iter__(self) -> Iterator[str]:
        return iter(self._traits)

    def __len__(self) -> int:
        return len(self._traits)


class _Trait:
    """A definition with its kind of state."""

    def __init__(self, definition: TraitDefinition) -> None:
        self.definition = definition
        self.rule = definition.rule
        self.id = str(definition.id)
        self.kind = _make_state(definition.rule)

    def is_selected(self, event: Event) -> bool:
        return any(is_selected(event, selector, self.rule.server_sources) for selector in self.rule.events)

    def add(self, state: Any, reading: EventReading) -> Any:
        if self.rule.function == "sequence" or not reading.is_counted(self.rule):
            return state
        value = reading.value(self.rule)
        if value is NOT_COUNTED:
            return state
        return self.kind.add(state, CountedEvent(reading.at, reading.id, value))

    def value(self, state: ComputedState, at: int) -> Any:
        value = self.kind.value(state.get(self.id), at)
        return from_microseconds(value) if value is not None and self.rule.type == "timestamp" else value


def _make_state(rule: TraitRule) -> TraitState:
    window = None if rule.within is None else rule.within * 1_000_000
    match rule.function:
        case "sequence":
            return Completion()
        case "rhythm":
            return Rhythm()
        case "any":
            return Ever() if window is None else Lately(window)
        case "distinct":
            return Distinct(rule.keep, window)
        case "last":
            return Total(Last()) if window is None else LastWithin(Last(), window)
        case "top":
            return _make_by_value(rule, Top, window)
        case "count":
            return _make_aggregated(rule, Count(), window) if rule.by is None else _make_by_value(rule, CountBy, window)
        case "sum":
            return _make_aggregated(rule, Sum(), window)
        case "min" | "max":
            return _make_aggregated(rule, Extreme(is_greatest=rule.function == "max"), window)
        case "first":
            return _make_aggregated(rule, First(), window)
        case _:
            assert_never(rule.function)


def _make_aggregated(rule: TraitRule, aggregate: Aggregate, window: int | None) -> TraitState:
    if window is None:
        return Total(aggregate)
    entries = MAX_EXACT_ENTRIES if rule.is_exact else MAX_ENTRIES
    return WindowLog(aggregate, window, entries=entries, cells=CELLS)


def _make_by_value(rule: TraitRule, kind: type[CountBy], window: int | None) -> TraitState:
    # One more than is promised: with the last one, the rarest is no longer certain.
    if window is None:
        return Total(kind(MAX_TOP_VALUES + 1))
    entries = MAX_EXACT_ENTRIES if rule.is_exact else MAX_ENTRIES
    return WindowLog(kind(MAX_TOP_VALUES_OF_CELL + 1), window, entries=entries, cells=TOP_CELLS)
