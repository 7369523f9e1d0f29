"""The difference that an arm makes, with its standard error.

All are large-sample estimates with unpooled variances, as Welch's test has them: nothing is assumed of the spread in
either arm. Below `MIN_PEOPLE` in an arm there is none.

Sources: A. Deng, U. Knoblich, J. Lu, "Applying the delta method in metric analytics", KDD 2018; A. Deng, Y. Xu,
R. Kohavi, T. Walker, "Improving the sensitivity of online controlled experiments by utilizing pre-experiment data",
WSDM 2013 (CUPED).
"""

from math import sqrt
from statistics import NormalDist
from typing import Final, Literal

from msgspec import Struct

from domain.experiments.sums import ArmSums

# From here on a mean of skewed numbers, as orders are, is nearly normal.
MIN_PEOPLE: Final = 100

# How a metric is worked out from the sums: the mean a person, the same with what was known before, or sum by sum.
MetricForm = Literal["mean", "adjusted", "ratio"]


class MetricEstimate(Struct, frozen=True):
    """An estimate and its standard error, both in the unit of the metric."""

    value: float
    error: float

    @property
    def z(self) -> float:
        """The estimate in standard errors."""
        if self.error == 0:
            return 0.0
        return self.value / self.error

    def interval(self, bound: float) -> tuple[float, float]:
        """Return the interval that reaches `bound` standard errors to either side."""
        return self.value - bound * self.error, self.value + bound * self.error


class ArmEffect(Struct, frozen=True):
    """The difference between an arm and the control.

    `control` and `arm` are the levels of both, adjusted if the metric is. `relative` is the difference as a share of
    the control's level, None where that is too close to zero to divide by.
    """

    control: MetricEstimate
    arm: MetricEstimate
    absolute: MetricEstimate
    relative: MetricEstimate | None


def two_sided_bound(confidence: float) -> float:
    """Return the bound of an interval that is looked at once, in standard errors."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def estimate_effect(control: ArmSums, arm: ArmSums, form: MetricForm = "mean") -> ArmEffect | None:
    """Return the effect of an arm; None with too few people in either."""
    if min(control.n, arm.n) < MIN_PEOPLE:
        return None
    if form == "ratio":
        if control.x <= 0 or arm.x <= 0:
            return None
        return _compare(_estimate_ratio(control), _estimate_ratio(arm))
    if form == "adjusted":
        return _compare(*_adjust_means(control, arm))
    return _compare(_estimate_mean(control), _estimate_mean(arm))


def _compare(control: MetricEstimate, arm: MetricEstimate) -> ArmEffect:
    absolute = MetricEstimate(arm.value - control.value, sqrt(control.error**2 + arm.error**2))
    # The delta method is a straight line through the estimate: it needs a control that is clearly not zero.
    if abs(control.value) <= 3 * control.error or control.value == 0:
        return ArmEffect(control, arm, absolute, None)
    ratio = arm.value / control.value
    error = sqrt(arm.error**2 + ratio**2 * control.error**2) / abs(control.value)
    return ArmEffect(control, arm, absolute, MetricEstimate(ratio - 1, error))


def _estimate_mean(sums: ArmSums) -> MetricEstimate:
    return MetricEstimate(sums.mean_y, _error(sums.variance_y, sums.n))


def _estimate_ratio(sums: ArmSums) -> MetricEstimate:
    """Return the sum of `y` over that of `x`, people being the unit."""
    ratio = sums.y / sums.x
    variance = sums.variance_y - 2 * ratio * sums.covariance + ratio**2 * sums.variance_x
    return MetricEstimate(ratio, _error(variance, sums.n) / sums.mean_x)


def _adjust_means(control: ArmSums, arm: ArmSums) -> tuple[MetricEstimate, MetricEstimate]:
    """Return both means with the part taken out that `x` foretold.

    One slope is taken for both arms, as if there were no effect. `x` is from before the exposure, so its mean is the
    same in both arms but for chance.
    """
    both = control + arm
    slope = both.covariance / both.variance_x if both.variance_x > 0 else 0.0

    def adjust(sums: ArmSums) -> MetricEstimate:
        variance = sums.variance_y - 2 * slope * sums.covariance + slope**2 * sums.variance_x
        return MetricEstimate(sums.mean_y - slope * (sums.mean_x - both.mean_x), _error(variance, sums.n))

    return adjust(control), adjust(arm)


def _error(variance: float, n: int) -> float:
    # Rounding can leave a variance of nothing just below zero.
    return sqrt(max(variance, 0.0) / n)
