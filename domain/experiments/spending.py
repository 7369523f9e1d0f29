"""How much error an experiment may spend by each look.

Source: K. K. G. Lan, D. L. DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70 (1983), 659-663.
"""

from math import e, log, sqrt
from statistics import NormalDist
from typing import Literal

SpendingShape = Literal["obrien_fleming", "pocock"]
_NORMAL = NormalDist()


def spend(alpha: float, fraction: float, shape: SpendingShape = "obrien_fleming") -> float:
    """Return the error of both sides that is spent by a fraction of the information.

    O'Brien and Fleming's shape spends little early: an early winner must be beyond doubt, and the last look costs
    nearly nothing. Pocock's is about the same at each look.
    """
    if fraction <= 0:
        return 0.0
    if fraction >= 1:
        return alpha
    if shape == "pocock":
        return alpha * log(1 + (e - 1) * fraction)
    # Each side has its own half.
    return 4 * (1 - _NORMAL.cdf(_NORMAL.inv_cdf(1 - alpha / 4) / sqrt(fraction)))
