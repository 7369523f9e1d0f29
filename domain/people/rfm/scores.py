"""Breakpoints of a population, and the scores of a person by them.

A score is from 1 to 5, and depends on the value alone: equal people have equal scores. The breakpoints are the values
below or at which 20, 40, 60 and 80 % of the buyers are; a value at a breakpoint belongs to the lower fifth. So buyers
of one order are in the first fifth of frequency, however many of them there are.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from domain.epoch import to_microseconds
from domain.people.rfm.rule import LAST, ORDERS, SPENT

FIFTHS: Final = (0.2, 0.4, 0.6, 0.8)
MIN_BUYERS: Final = 100
MIN_DISTINCT: Final = 3
_DAY: Final = 86_400_000_000


class Breakpoints(Struct, frozen=True):
    """Four values of each part in ascending order: days, orders and the sum of values.

    `monetary` is None where the sums are too equal for scores.
    """

    recency: tuple[int, int, int, int]
    frequency: tuple[int, int, int, int]
    monetary: tuple[float, float, float, float] | None


class Cell(Struct, frozen=True):
    """The buyers with two scores, and the sum of their values."""

    recency: int
    frequency: int
    people: int
    spent: float


class Population(Struct, frozen=True):
    """The buyers of an instant: how many there are, and their values by fifths.

    `distinct` are the numbers of different values of recency, frequency and monetary value.
    """

    buyers: int
    distinct: tuple[int, int, int]
    recency: Sequence[int]
    frequency: Sequence[int]
    monetary: Sequence[float]
    cells: Sequence[Cell]


class RfmValues(Struct, frozen=True):
    """The whole days since a person's last order, the number of orders, and their sum."""

    days: int
    orders: int
    spent: float


class RfmScores(Struct, frozen=True):
    """The scores of a person, of which 5 is best.

    `monetary` is None without breakpoints of sums.
    """

    recency: int
    frequency: int
    monetary: int | None


def explain_refusal(population: Population) -> str | None:
    """Return why a population has no scores; None if it has."""
    if population.buyers < MIN_BUYERS:
        return f"{population.buyers:,} buyers are too few: scores need {MIN_BUYERS}"
    for part, distinct in zip(("recency", "frequency"), population.distinct, strict=False):
        if distinct < MIN_DISTINCT:
            return f"{part} has {distinct} different values: scores need {MIN_DISTINCT}"
    return None


def find_breakpoints(population: Population) -> Breakpoints | None:
    """Return the breakpoints of a population; None if it has no scores."""
    if explain_refusal(population) is not None:
        return None
    r1, r2, r3, r4 = population.recency
    f1, f2, f3, f4 = population.frequency
    m1, m2, m3, m4 = population.monetary
    has_sums = population.distinct[2] >= MIN_DISTINCT
    return Breakpoints((r1, r2, r3, r4), (f1, f2, f3, f4), (m1, m2, m3, m4) if has_sums else None)


def read_values(computed: Mapping[str, Any], at: datetime) -> RfmValues | None:
    """Return the values of a person by their computed traits; None without an order."""
    last = computed.get(LAST)
    if last is None:
        return None
    # An event by a fast clock is ahead.
    days = max(0, to_microseconds(at) - to_microseconds(last)) // _DAY
    return RfmValues(days, computed[ORDERS], computed[SPENT])


def score(values: RfmValues, breakpoints: Breakpoints) -> RfmScores:
    """Return the scores of a person. Fewer days are better."""
    return RfmScores(
        recency=5 - bisect_left(breakpoints.recency, values.days),
        frequency=1 + bisect_left(breakpoints.frequency, values.orders),
        monetary=None if breakpoints.monetary is None else 1 + bisect_left(breakpoints.monetary, values.spent),
    )
