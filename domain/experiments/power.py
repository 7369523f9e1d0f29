"""How many people an experiment needs, and for how long.

Sources as in `sequential`; the numbers for one look are in any textbook, for example R. Kohavi, D. Tang, Y. Xu,
"Trustworthy online controlled experiments" (2020), chapter 17.
"""

from collections.abc import Sequence
from math import ceil, sqrt
from statistics import NormalDist
from typing import Final

from msgspec import Struct

from domain.experiments.sequential import Look, chance_to_win, find_bounds
from domain.experiments.spending import spend

# More looks than these find little more, and each costs some people.
MAX_LOOKS: Final = 12
MAX_WEEKS: Final = 104
_NORMAL: Final = NormalDist()


class Level(Struct, frozen=True):
    """The mean of a metric among the people of an arm, and its variance."""

    mean: float
    variance: float


class ExperimentPlan(Struct, frozen=True):
    """The effect that an experiment is to find.

    `shares` are those of the control and the smallest arm. `alpha` is the error allowed for this comparison, both
    sides together.
    """

    control: Level
    arm: Level
    shares: tuple[float, float]
    power: float
    alpha: float


class PlannedLength(Struct, frozen=True):
    """The people of all arms, the weeks, and the weeks after which there is a look."""

    people: int
    weeks: int
    looks: Sequence[int]


def share_level(share: float) -> Level:
    """Return the level of a metric that is reached or not."""
    return Level(share, share * (1 - share))


def plan_looks(weeks: int) -> list[int]:
    """Return the weeks after which there is a look: each or every few, and the last."""
    every = ceil(weeks / MAX_LOOKS)
    return [*range(every, weeks, every), weeks]


def plan_bounds(weeks: int, alpha: float) -> list[float]:
    """Return the bound of each planned look, if people come evenly."""
    return find_bounds([Look(week / weeks, spend(alpha, week / weeks)) for week in plan_looks(weeks)])


def plan_length(plan: ExperimentPlan, weekly: float) -> PlannedLength | None:
    """Return the length at so many people a week; None beyond `MAX_WEEKS`."""
    if weekly <= 0:
        return None
    weeks = 1
    while weeks <= MAX_WEEKS:
        people = count_people(plan, weeks)
        if people <= weeks * weekly:
            return PlannedLength(people, weeks, plan_looks(weeks))
        # More looks need a few people more, so no length in between is enough.
        weeks = max(weeks + 1, ceil(people / weekly))
    return None


def count_people(plan: ExperimentPlan, weeks: int) -> int:
    """Return the people of all arms that the power planned needs over some weeks."""
    deviation = sqrt(plan.control.variance / plan.shares[0] + plan.arm.variance / plan.shares[1])
    return ceil((_find_drift(plan, weeks) * deviation / (plan.arm.mean - plan.control.mean)) ** 2)


def find_power(plan: ExperimentPlan, people: int, weeks: int) -> float:
    """Return how probable it is that so many people show the arm as the winner."""
    deviation = sqrt(plan.control.variance / plan.shares[0] + plan.arm.variance / plan.shares[1])
    drift = abs(plan.arm.mean - plan.control.mean) / deviation * sqrt(people)
    return chance_to_win(plan_bounds(weeks, plan.alpha), [week / weeks for week in plan_looks(weeks)], drift)


def _find_drift(plan: ExperimentPlan, weeks: int) -> float:
    """Return the effect found with the power planned, in standard errors of the whole."""
    single = _NORMAL.inv_cdf(1 - plan.alpha / 2) + _NORMAL.inv_cdf(plan.power)
    if weeks == 1:
        return single
    bounds, information = plan_bounds(weeks, plan.alpha), [week / weeks for week in plan_looks(weeks)]
    # In a normal approximation the drift beyond the power's own quantile is the same: two or three steps are enough.
    drift = single
    for _ in range(8):
        reached = chance_to_win(bounds, information, drift)
        if abs(reached - plan.power) < 1e-6:
            break
        drift += _NORMAL.inv_cdf(plan.power) - _NORMAL.inv_cdf(reached)
    return drift
