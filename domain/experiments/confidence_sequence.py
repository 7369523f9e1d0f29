"""A bound that holds at every look, however often: for guardrails, checked daily.

It is wider than the bound of a group-sequential test, which finds winners sooner.

Source: I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas, "Time-uniform central limit theory and
asymptotic confidence sequences", Annals of Statistics 52 (2024), 2613-2640: section 2.2, one-sided in appendix B.
"""

from math import log, sqrt

from domain.experiments.estimates import MetricEstimate


def find_lower_bound(difference: MetricEstimate, people: int, expected: int, alpha: float) -> float:
    """Return a number that a difference exceeds at all times together.

    It fails in `alpha` of the experiments. `people` are those of both arms so far. The bound is tightest at `expected`
    people; it holds at any number.
    """
    # The mixture's variance that makes the bound tightest at `expected`.
    rho_squared = (-2 * log(2 * alpha) + log(-2 * log(2 * alpha) + 1)) / expected
    spread = people * rho_squared + 1
    deviation = difference.error * sqrt(people)
    width = sqrt(2 * spread / (people**2 * rho_squared) * log(1 + sqrt(spread) / (2 * alpha)))
    return difference.value - deviation * width
