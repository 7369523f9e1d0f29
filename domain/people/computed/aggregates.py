"""Aggregates over events in any order, as counts and sums are.

Each is a commutative monoid: the value of one event, and how two values combine. They are plain JSON.
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import reduce
from typing import Any, NamedTuple, Protocol

import msgspec

from domain.conditions.cel_data import MAX_ITEMS

# A sum is exact to nine decimals, as prices, rates and tokens need, over amounts below 10^18.
MAX_AMOUNT = 10**18
_SMALLEST = Decimal("1e-9")
# Digits of the largest sum: 18 and 9, and 23 for the number of events.
_DECIMALS = Context(prec=50, rounding=ROUND_HALF_UP)


class CountedEvent(NamedTuple):
    """An event that a trait counts: when, in microseconds, its id, and its value."""

    at: int
    id: str
    value: Any


class Aggregate(Protocol):
    """How single events and aggregated ones combine, in any order."""

    def begin(self, event: CountedEvent) -> Any:
        """Return the aggregate of one event."""

    def combine(self, one: Any, other: Any) -> Any:
        """Return the aggregate of both."""

    def value(self, parts: Sequence[Any]) -> Any:
        """Return the value of all events of these aggregates; of no event without any."""


class Count:
    """The number of events."""

    def begin(self, event: CountedEvent) -> int:
        return 1

    def combine(self, one: int, other: int) -> int:
        return one + other

    def value(self, parts: Sequence[int]) -> int:
        return sum(parts)


class Sum:
    """The sum of numbers in decimals, so that 1.1 and 2.2 are 3.3 in any order."""

    def begin(self, event: CountedEvent) -> str:
        # The shortest text of a float is the number that the client wrote.
        written = Decimal(repr(event.value))
        return _format_decimal(written.quantize(_SMALLEST, context=_DECIMALS))

    def combine(self, one: str, other: str) -> str:
        return _format_decimal(_DECIMALS.add(Decimal(one), Decimal(other)))

    def value(self, parts: Sequence[str]) -> float:
        return float(reduce(self.combine, parts, "0"))


class Extreme:
    """The least or the greatest number."""

    def __init__(self, *, is_greatest: bool) -> None:
        self._is_greatest = is_greatest

    def begin(self, event: CountedEvent) -> float:
        number: float = event.value
        return number

    def combine(self, one: float, other: float) -> float:
        return max(one, other) if self._is_greatest else min(one, other)

    def value(self, parts: Sequence[float]) -> float | None:
        return float(reduce(self.combine, parts)) if parts else None


class First:
    """The value of the first event; by its id among those of one instant."""

    def begin(self, event: CountedEvent) -> list[Any]:
        return [event.at, event.id, event.value]

    def combine(self, one: list[Any], other: list[Any]) -> list[Any]:
        return min(one, other, key=_find_place)

    def value(self, parts: Sequence[list[Any]]) -> Any:
        return reduce(self.combine, parts)[2] if parts else None


class Last(First):
    """The value of the last event; by its id among those of one instant."""

    def combine(self, one: list[Any], other: list[Any]) -> list[Any]:
        return max(one, other, key=_find_place)


class CountBy:
    """The number of events by value.

    Exact for fewer than `kept` different values. Beyond them, a dropped value that returns starts at the count of the
    rarest kept one, so a count is too high by at most the number of events divided by `kept` (Metwally et al.,
    "Efficient Computation of Frequent and Top-k Elements in Data Streams"; for merges Agarwal et al., "Mergeable
    Summaries"). `value` subtracts the count of the rarest: its counts are never too high, and too low by at most that.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept

    def begin(self, event: CountedEvent) -> dict[str, int]:
        return {encode_value(event.value): 1}

    def combine(self, one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
        unseen, unseen_other = self._bound_unseen(one), self._bound_unseen(other)
        counts = {text: one.get(text, unseen) + other.get(text, unseen_other) for text in one.keys() | other.keys()}
        if len(counts) <= self._kept:
            return counts
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: self._kept])

    def value(self, parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
        """Return the certain counts, as many as a condition can read."""
        counts = {decode_value(text): count for text, count in self._count_certain(parts).items() if count > 0}
        if len(counts) <= MAX_ITEMS:
            return counts
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_ITEMS])

    def _count_certain(self, parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
        """Return how often each kept value has occurred at least."""
        counts: dict[str, int] = {}
        for part in parts:
            unseen = self._bound_unseen(part)
            for text, count in part.items():
                counts[text] = counts.get(text, 0) + count - unseen
        return counts

    def _bound_unseen(self, counts: Mapping[str, int]) -> int:
        """Return how often a value that is not kept may have occurred."""
        return min(counts.values()) if len(counts) >= self._kept else 0


class Top(CountBy):
    """The most frequent value; the first in order among equally frequent ones."""

    def value(self, parts: Sequence[Mapping[str, int]]) -> Any:
        counts = self._count_certain(parts)
        most = max(counts.values(), default=0)
        values = (decode_value(text) for text, count in counts.items() if count == most)
        return min(values, key=sort_key_of_value, default=None)


def encode_value(value: Any) -> str:
    """Return a text, number or boolean as JSON, so that `1` and `"1"` are two values."""
    return msgspec.json.encode(value).decode()


def decode_value(text: str) -> Any:
    """Return the value of its JSON."""
    return msgspec.json.decode(text)


def sort_key_of_value(value: Any) -> tuple[str, str]:
    """Return the key by which values of any kind are sorted."""
    return (str(value), encode_value(value))


def _format_decimal(number: Decimal) -> str:
    return format(number.normalize(_DECIMALS), "f")


def _find_place(aggregate: list[Any]) -> tuple[int, str]:
    return (aggregate[0], aggregate[1])
