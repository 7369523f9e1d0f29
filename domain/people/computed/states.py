"""The states of traits: totals, and those that the latest events decide."""

from collections.abc import Mapping
from typing import Any, Protocol

from domain.people.computed.aggregates import Aggregate, CountedEvent, decode_value, encode_value

# An event may lie so far in the future (domain/tracking/arrival.py), so that the newest of a person may be ahead of the
# instant at which a state is read.
AHEAD = 3_600_000_000


class TraitState(Protocol):
    """How a trait's state follows events. Instants are in microseconds.

    A state is JSON and is never changed in place. `value` and `next_change` take an instant at or after the arrival of
    the newest event: a state forgets what has left the window.
    """

    def add(self, state: Any, event: CountedEvent) -> Any:
        """Return the state with one more event; None stands for that of no event."""

    def merge(self, one: Any, other: Any) -> Any:
        """Return the state of the events of both."""

    def value(self, state: Any, at: int) -> Any:
        """Return the value at an instant."""

    def next_change(self, state: Any, at: int) -> int | None:
        """Return the first instant after `at` at which the value may change by itself."""


class Total:
    """An aggregate over all events."""

    def __init__(self, aggregate: Aggregate) -> None:
        self._aggregate = aggregate

    def add(self, state: Any, event: CountedEvent) -> Any:
        begun = self._aggregate.begin(event)
        return begun if state is None else self._aggregate.combine(state, begun)

    def merge(self, one: Any, other: Any) -> Any:
        return self._aggregate.combine(one, other)

    def value(self, state: Any, at: int) -> Any:
        return self._aggregate.value(() if state is None else (state,))

    def next_change(self, state: Any, at: int) -> int | None:
        return None


class Ever:
    """Whether there was any event. Later ones change nothing."""

    def add(self, state: Any, event: CountedEvent) -> int:
        return 1

    def merge(self, one: Any, other: Any) -> int:
        return 1

    def value(self, state: Any, at: int) -> bool:
        return state is not None

    def next_change(self, state: Any, at: int) -> int | None:
        return None


class Lately:
    """Whether there was an event within the window: the latest instant decides."""

    def __init__(self, window: int) -> None:
        self._window = window

    def add(self, state: int | None, event: CountedEvent) -> int:
        return event.at if state is None else max(state, event.at)

    def merge(self, one: int, other: int) -> int:
        return max(one, other)

    def value(self, state: int | None, at: int) -> bool:
        return state is not None and state + self._window > at

    def next_change(self, state: int | None, at: int) -> int | None:
        return state + self._window if state is not None and self.value(state, at) else None


class LastWithin(Total):
    """The last event's value while that event is within the window."""

    def __init__(self, aggregate: Aggregate, window: int) -> None:
        super().__init__(aggregate)
        self._window = window

    def value(self, state: Any, at: int) -> Any:
        return super().value(state, at) if self.next_change(state, at) is not None else None

    def next_change(self, state: Any, at: int) -> int | None:
        ends = None if state is None else int(state[0]) + self._window
        return ends if ends is not None and ends > at else None


class Distinct:
    """The different values, the latest first, up to `keep` of them.

    A list of `keep` values may have left out older ones. The latest of a union are those of its parts, so that merges
    and late events give the same list.
    """

    def __init__(self, keep: int, window: int | None) -> None:
        self._keep = keep
        self._window = window

    def add(self, state: Mapping[str, int] | None, event: CountedEvent) -> Mapping[str, int]:
        known = state or {}
        text = encode_value(event.value)
        if known.get(text, event.at - 1) >= event.at:
            return known
        return self._trim({**known, text: event.at})

    def merge(self, one: Mapping[str, int], other: Mapping[str, int]) -> Mapping[str, int]:
        texts = one.keys() | other.keys()
        return self._trim({text: max(one.get(text, 0), other.get(text, 0)) for text in texts})

    def value(self, state: Mapping[str, int] | None, at: int) -> list[Any]:
        return [decode_value(text) for text, seen in _latest_first(state or {}) if self._is_within(seen, at)]

    def next_change(self, state: Mapping[str, int] | None, at: int) -> int | None:
        if self._window is None:
            return None
        within = [seen + self._window for seen in (state or {}).values() if self._is_within(seen, at)]
        return min(within, default=None)

    def _is_within(self, seen: int, at: int) -> bool:
        return self._window is None or seen + self._window > at

    def _trim(self, known: dict[str, int]) -> dict[str, int]:
        if self._window is not None:
            oldest = max(known.values()) - AHEAD
            known = {text: seen for text, seen in known.items() if seen + self._window > oldest}
        return known if len(known) <= self._keep else dict(_latest_first(known)[: self._keep])


class Completion:
    """The last completion of a sequence, which the store finds in the history.

    A late event may complete a sequence of the past, which no state can tell. So events change nothing here, and a
    merge keeps the later completion until the history of both is read.
    """

    def add(self, state: int | None, event: CountedEvent) -> int | None:
        return state

    def merge(self, one: int, other: int) -> int:
        return max(one, other)

    def value(self, state: int | None, at: int) -> int | None:
        return state

    def next_change(self, state: int | None, at: int) -> int | None:
        return None


def _latest_first(known: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(known.items(), key=lambda item: (-item[1], item[0]))
