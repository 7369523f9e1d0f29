"""The computed traits of a deployment: which follow events, and which have values."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from domain.people.computed.definition import TraitDefinition
from domain.people.computed.traits import ComputedState, ComputedTraits


class DeployedTraits:
    """The definitions in force.

    All of them count new events. Only those with an id in `ready` have values: the backfill of the others still counts
    earlier events, and a partial count would be wrong.
    """

    def __init__(self, definitions: Iterable[TraitDefinition], ready: Collection[int]) -> None:
        self.definitions = tuple(definitions)
        self.building = tuple(definition for definition in self.definitions if definition.id not in ready)
        self.following = ComputedTraits(self.definitions)
        self.ready = ComputedTraits(definition for definition in self.definitions if definition.id in ready)
        self._rules = {definition.key: definition.rule for definition in self.definitions}
        self._ids = frozenset(str(definition.id) for definition in self.definitions)

    def view(self, state: ComputedState, at: datetime) -> Mapping[str, Any]:
        """Return the values at an instant, by key."""
        return self.ready.view(state, at)

    def read(self, state: ComputedState, at: datetime, keys: Iterable[str]) -> dict[str, Any]:
        """Return those of some values that are ready, at an instant, in order of keys."""
        values = self.view(state, at)
        return {key: values[key] for key in sorted(keys) if key in self.ready.types}

    def is_unverified(self, key: str) -> bool:
        """Return whether a trait holds values of events, which anyone may have reported."""
        return key not in self._rules or self._rules[key].holds_values

    def list_unverified(self) -> frozenset[str]:
        """Return the keys of the traits that hold values of events."""
        return frozenset(filter(self.is_unverified, self.following.types))

    def drop_retired(self, state: ComputedState) -> ComputedState:
        """Return the state without that of retired definitions."""
        return state if self._ids.issuperset(state) else {id: one for id, one in state.items() if id in self._ids}


NO_TRAITS = DeployedTraits((), ())
