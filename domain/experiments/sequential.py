"""Bounds of a test that is looked at several times, and the power it has.

Looked at once a week against a fixed bound, two equal arms show a winner far too often. A group-sequential test raises
the bound so that all looks together err as often as promised.

The score `z * sqrt(information)` walks by independent normal steps. Its density among walks that have crossed no bound
yet is carried from look to look by numerical integration; a bound is where just the error of its look lies outside.

Sources: P. Armitage, C. K. McPherson, B. C. Rowe, "Repeated significance tests on accumulating data", Journal of the
Royal Statistical Society A 132 (1969), 235-244; C. Jennison, B. W. Turnbull, "Group sequential methods with
applications to clinical trials" (2000), chapter 19.
"""

from collections.abc import Iterator, Sequence
from math import ceil, erfc, exp, pi, sqrt
from typing import Final

from msgspec import Struct

# Points of the integration for each standard deviation of a step; Simpson's error falls with its fourth power.
_POINTS: Final = 10
# No bound is taken beyond: what is left outside is 1e-15.
_FARTHEST: Final = 8.0


class Look(Struct, frozen=True):
    """A look at the numbers.

    `information` is any measure that grows with the people seen, as their number does. `spent` is the error of both
    sides that may be spent up to here.
    """

    information: float
    spent: float


class _Walks(Struct, frozen=True):
    """The density of scores within all bounds so far, at evenly spaced points."""

    information: float
    points: Sequence[float]
    # The density times the weight of each point in Simpson's rule.
    weights: Sequence[float]


def find_bounds(looks: Sequence[Look]) -> list[float]:
    """Return the bound of each look, in standard errors to either side.

    Looks must be in order of information, each with more than the one before. A look that may spend nothing has the
    farthest bound.
    """
    bounds: list[float] = []
    walks: _Walks | None = None
    spent = 0.0
    for look in looks:
        bound = _find_bound(walks, look.information, look.spent - spent)
        spent = max(spent, look.spent)
        bounds.append(bound)
        if look is not looks[-1]:
            walks = _go_on(walks, look.information, bound, 0.0)
    return bounds


def chance_to_win(bounds: Sequence[float], information: Sequence[float], drift: float) -> float:
    """Return how probable it is to cross an upper bound at any look.

    `drift` is the mean of `z` at an information of 1: the effect in standard errors of a whole experiment, if that
    is what an information of 1 means.
    """
    return sum(_win_by_look(bounds, information, drift))


def _win_by_look(bounds: Sequence[float], information: Sequence[float], drift: float) -> Iterator[float]:
    walks: _Walks | None = None
    for bound, at in zip(bounds, information, strict=True):
        yield _beyond(walks, at, bound, drift)
        walks = _go_on(walks, at, bound, drift)


def _find_bound(walks: _Walks | None, information: float, error: float) -> float:
    """Return the bound beyond which `error` lies, on both sides together."""
    low, high = 0.0, _FARTHEST
    if 2 * _beyond(walks, information, high, 0.0) >= error:
        return high
    # 45 halvings leave 2e-13 of the range.
    for _ in range(45):
        middle = (low + high) / 2
        # Without an effect both sides are alike.
        if 2 * _beyond(walks, information, middle, 0.0) > error:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beyond(walks: _Walks | None, information: float, bound: float, drift: float) -> float:
    """Return how probable it is to cross the bound at this look for the first time."""
    edge = bound * sqrt(information)
    if walks is None:
        return _upper_tail((edge - drift * information) / sqrt(information))
    step = information - walks.information
    deviation, moved = sqrt(step), edge - drift * step
    return sum(
        weight * _upper_tail((moved - point) / deviation)
        for point, weight in zip(walks.points, walks.weights, strict=True)
    )


def _go_on(walks: _Walks | None, information: float, bound: float, drift: float) -> _Walks:
    """Return the walks that are still within the bound of this look."""
    edge = bound * sqrt(information)
    step = information if walks is None else information - walks.information
    deviation = sqrt(step)
    count = 2 * ceil(_POINTS * edge / deviation) + 2
    width = 2 * edge / count
    points = [width * number - edge for number in range(count + 1)]
    simpson = [width / 3 * (1 if number in (0, count) else 4 if number % 2 else 2) for number in range(count + 1)]
    scale = 1 / (deviation * sqrt(2 * pi))
    previous = [(0.0, 1.0)] if walks is None else list(zip(walks.points, walks.weights, strict=True))
    weights = []
    for point, part in zip(points, simpson, strict=True):
        moved = point - drift * step
        density = sum(weight * exp(-(((moved - before) / deviation) ** 2) / 2) for before, weight in previous)
        weights.append(part * scale * density)
    return _Walks(information, points, weights)


def _upper_tail(z: float) -> float:
    """Return how probable a normal number above `z` is, precise far out as well."""
    return erfc(z / sqrt(2)) / 2
