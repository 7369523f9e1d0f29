"""The state of a person, counted from their whole history."""

from collections.abc import Iterable

from domain.people.computed.definition import TraitDefinition
from domain.people.computed.sequences import find_last_completion
from domain.people.computed.traits import ComputedState, ComputedTraits
from domain.tracking.event import Event


def list_event_names(definitions: Iterable[TraitDefinition]) -> list[str] | None:
    """Return the names of the events that may concern these traits; None for any."""
    names: set[str] = set()
    for selector in (selector for definition in definitions for selector in definition.rule.events):
        if selector.name is None:
            return None
        names.add(selector.name)
    return sorted(names)


class HistoryCount:
    """Counts the events of one person, in any order."""

    def __init__(self, traits: ComputedTraits) -> None:
        self._traits = traits
        self._state: ComputedState = {}
        self._steps: dict[int, list[Event]] = {definition.id: [] for definition in traits.sequential}

    def add(self, event: Event) -> None:
        """Count one more event."""
        self._state = self._traits.fold(self._state, event)
        for definition in self._traits.sequences(event):
            self._steps[definition.id].append(event)

    def finish(self) -> ComputedState:
        """Return the state of all events."""
        state = self._state
        for definition in self._traits.sequential:
            completed = find_last_completion(definition.rule, self._steps[definition.id])
            state = self._traits.put_completion(state, definition, completed)
        return state
