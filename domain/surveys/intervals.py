"""Intervals of shares, means and Net Promoter Scores, at 95 %.

The adjusted Wald interval of a Net Promoter Score: B. Rocks, "Interval estimation for the Net Promoter Score", The
American Statistician 70 (2016), 365-372. The plain one has no width where all answers are alike.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Final

from msgspec import Struct

from domain.wilson import Z, bound_share

PROMOTERS_FROM: Final = 9
DETRACTORS_TO: Final = 6
# Answers that are added: a quarter of them promoters, a quarter detractors.
_ADDED: Final = 3


class Interval(Struct, frozen=True):
    """A number with the bounds that it most likely lies in."""

    value: float
    low: float
    high: float


def find_share(part: int, whole: int) -> Interval | None:
    """Return a share, from 0 to 1, with Wilson's interval; None of nothing."""
    if whole == 0:
        return None
    low, high = bound_share(part, whole)
    share = part / whole
    return Interval(share, min(share, max(0.0, low)), max(share, min(1.0, high)))


def find_mean(counts: Mapping[int, int]) -> Interval | None:
    """Return the mean of scores, with z times its standard error within their range.

    `counts` has the number of answers of each possible score. One answer says nothing about the spread, so its bounds
    are those of the scale.
    """
    number = sum(counts.values())
    if number == 0:
        return None
    lowest, highest = min(counts), max(counts)
    mean = sum(score * count for score, count in counts.items()) / number
    if number == 1:
        return Interval(mean, lowest, highest)
    variance = sum(count * (score - mean) ** 2 for score, count in counts.items()) / (number - 1)
    margin = Z * sqrt(variance / number)
    return Interval(mean, max(lowest, mean - margin), min(highest, mean + margin))


def find_nps(counts: Mapping[int, int]) -> Interval | None:
    """Return the score from -100 to 100, with its adjusted Wald interval."""
    number = sum(counts.values())
    if number == 0:
        return None
    promoters = sum(count for score, count in counts.items() if score >= PROMOTERS_FROM)
    detractors = sum(count for score, count in counts.items() if score <= DETRACTORS_TO)
    value = 100 * (promoters - detractors) / number
    p, q = ((one + _ADDED / 4) / (number + _ADDED) for one in (promoters, detractors))
    centre = p - q
    margin = Z * sqrt((p + q - centre**2) / (number + _ADDED))
    low, high = (100 * max(-1.0, min(1.0, bound)) for bound in (centre - margin, centre + margin))
    return Interval(value, min(value, low), max(value, high))
