"""The tail of the chi-squared distribution.

Source: W. H. Press and others, "Numerical recipes", third edition (2007), section 6.2: the incomplete gamma function by
its series near the mean and below it, by Lentz's continued fraction above.
"""

from math import exp, lgamma, log
from typing import Final

_PRECISION: Final = 1e-15
_TINY: Final = 1e-300


def chi_squared_tail(value: float, degrees: int) -> float:
    """Return how probable it is to exceed a value with so many degrees of freedom."""
    if value <= 0:
        return 1.0
    a, x = degrees / 2, value / 2
    scale = exp(a * log(x) - x - lgamma(a))
    if x < a + 1:
        return 1 - scale * _sum_series(a, x)
    return scale * _continue_fraction(a, x)


def _sum_series(a: float, x: float) -> float:
    term = total = 1 / a
    while term > total * _PRECISION:
        a += 1
        term *= x / a
        total += term
    return total


def _continue_fraction(a: float, x: float) -> float:
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    result, number, factor = d, 0, 0.0
    while abs(factor - 1) > _PRECISION:
        number += 1
        numerator = number * (a - number)
        b += 2
        d = 1 / _away_from_zero(numerator * d + b)
        c = _away_from_zero(b + numerator / c)
        factor = c * d
        result *= factor
    return result


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
