"""How late a person is by their own rhythm."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from domain.people.computed.aggregates import CountedEvent

# The latest events whose gaps are looked at, and the fewest for a rhythm: one gap is none.
MAX_INSTANTS: Final = 64
MIN_INSTANTS: Final = 3
# The value is in tenths. It stays from the largest one on, so that no one is looked at forever.
TENTHS: Final = 10
MAX_TENTHS: Final = 100


class Rhythm:
    """The time since the last event, divided by the median gap between events.

    The state has the latest different instants, the newest last. Those of a union are the latest of its parts, so that
    merges and late events give the same. The value is rounded down to a tenth, and is at most 10.
    """

    def add(self, state: Sequence[int] | None, event: CountedEvent) -> Sequence[int]:
        known = state or ()
        return known if event.at in known else self._trim([*known, event.at])

    def merge(self, one: Sequence[int], other: Sequence[int]) -> Sequence[int]:
        return self._trim([*one, *other])

    def value(self, state: Sequence[int] | None, at: int) -> float | None:
        if state is None or len(state) < MIN_INSTANTS:
            return None
        return self._count_tenths(state, at) / TENTHS

    def next_change(self, state: Sequence[int] | None, at: int) -> int | None:
        if state is None or len(state) < MIN_INSTANTS:
            return None
        following = self._count_tenths(state, at) + 1
        # The first microsecond at which so many tenths of the gap have passed.
        return None if following > MAX_TENTHS else state[-1] - (-following * _median_gap(state) // TENTHS)

    def _count_tenths(self, state: Sequence[int], at: int) -> int:
        # An event by a fast clock is ahead.
        passed = max(0, at - state[-1])
        return min(MAX_TENTHS, passed * TENTHS // _median_gap(state))

    def _trim(self, instants: Sequence[int]) -> list[int]:
        return sorted(set(instants))[-MAX_INSTANTS:]


def _median_gap(instants: Sequence[int]) -> int:
    """Return the median gap in whole microseconds; of two in the middle, their mean."""
    gaps = sorted(later - earlier for earlier, later in pairwise(instants))
    half = len(gaps) // 2
    return gaps[half] if len(gaps) % 2 else (gaps[half - 1] + gaps[half]) // 2
