"""The computed traits of a deployment: which follow events, and which have values."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from domain.people.computed.definition import TraitDefinition, TraitType
from domain.people.computed.traits import ComputedState, ComputedTraits

# The types that say how often, whether or when there was an event, and nothing of what it says.
_NO_VALUES: Final = frozenset[TraitType]({"int", "bool", "timestamp"})


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
        return self.following.types.get(key) not in _NO_VALUES

    def list_unverified(self) -> frozenset[str]:
        """Return the keys of the traits that hold values of events."""
        return frozenset(filter(self.is_unverified, self.following.types))

    def drop_retired(self, state: ComputedState) -> ComputedState:
        """Return the state without that of retired definitions."""
        return state if self._ids.issuperset(state) else {id: one for id, one in state.items() if id in self._ids}


NO_TRAITS = DeployedTraits((), ())
