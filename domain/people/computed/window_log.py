"""An aggregate over a moving window.

The newest events are kept one by one, older ones by cells.
"""

from bisect import insort
from collections.abc import Iterator
from typing import Any

from domain.people.computed.aggregates import Aggregate, CountedEvent
from domain.people.computed.states import AHEAD

# The single events, each an instant and its aggregate, the newest last; the cells, each its number, its last instant
# and the aggregate of its events.
LogState = list[list[Any]]

MAX_ENTRIES = 64
# 17 bytes each, and only of those who ask for it.
MAX_EXACT_ENTRIES = 4_096
CELLS = 64


class WindowLog:
    """A state that is exact while the window holds at most `entries` events.

    The newest events are kept one by one. Each older one is added to its cell of 1/`cells` of the window, whose events
    leave the window together, with the last of them: as late as one cell's length. Both follow from the events alone,
    not from their order.
    """

    def __init__(self, aggregate: Aggregate, window: int, *, entries: int = MAX_ENTRIES, cells: int = CELLS) -> None:
        self._aggregate = aggregate
        self._window = window
        self._entries = entries
        self._cell = -(-window // cells)

    def add(self, state: LogState | None, event: CountedEvent) -> LogState:
        entries, cells = state or ([], [])
        if entries and self._is_over(event.at, entries[-1][0]):
            return [entries, cells]
        entries = list(entries)
        insort(entries, [event.at, self._aggregate.begin(event)], key=_instant)
        return self._trim(entries, cells)

    def merge(self, one: LogState, other: LogState) -> LogState:
        return self._trim(sorted(one[0] + other[0], key=_instant), one[1] + other[1])

    def value(self, state: LogState | None, at: int) -> Any:
        return self._aggregate.value([aggregate for _, aggregate in self._iter_within(state, at)])

    def next_change(self, state: LogState | None, at: int) -> int | None:
        return min((last + self._window for last, _ in self._iter_within(state, at)), default=None)

    def _iter_within(self, state: LogState | None, at: int) -> Iterator[tuple[int, Any]]:
        """Iterate over the last instants and the aggregates in the window."""
        entries, cells = state or ([], [])
        for _, last, aggregate in cells:
            if last + self._window > at:
                yield last, aggregate
        for entry, aggregate in entries:
            if entry + self._window > at:
                yield entry, aggregate

    def _is_over(self, at: int, newest: int) -> bool:
        """Return whether a whole cell has left every window that may still be read."""
        return (at // self._cell + 1) * self._cell + self._window <= newest - AHEAD

    def _trim(self, entries: list[Any], cells: list[Any]) -> LogState:
        newest = entries[-1][0]
        kept = [entry for entry in entries if not self._is_over(entry[0], newest)]
        older = kept[: -self._entries]
        by_cell: dict[int, list[Any]] = {}
        for number, last, aggregate in [*cells, *([at // self._cell, at, aggregate] for at, aggregate in older)]:
            if self._is_over(last, newest):
                continue
            if (known := by_cell.get(number)) is None:
                by_cell[number] = [number, last, aggregate]
            else:
                combined = self._aggregate.combine(known[2], aggregate)
                by_cell[number] = [number, max(last, known[1]), combined]
        return [kept[-self._entries :], [by_cell[number] for number in sorted(by_cell)]]


def _instant(entry: list[Any]) -> int:
    return int(entry[0])
