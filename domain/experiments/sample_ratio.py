"""Are there as many people in each arm as its weight promises?

If not, people were lost or added by something that depends on the arm, and any comparison of the arms may show that
instead of an effect. So results are hidden until the cause is found.

Source: A. Fabijan and others, "Diagnosing sample ratio mismatch in online controlled experiments", KDD 2019.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from domain.experiments.chi_squared import chi_squared_tail

# One healthy experiment of a thousand is hidden by chance.
MISMATCH: Final = 0.001
# Rounding leaves so much of a variance that is zero.
_NOTHING: Final = 1e-9


class WeightedPeriod(Struct, frozen=True):
    """People exposed while the weights stayed the same: arms by name."""

    weights: Mapping[str, int]
    people: Mapping[str, int]


class SampleRatio(Struct, frozen=True):
    """The people of each arm beside those expected; `p` is how probable chance is."""

    people: Mapping[str, int]
    expected: Mapping[str, float]
    p: float

    @property
    def is_mismatched(self) -> bool:
        """Whether the difference is more than chance."""
        return self.p < MISMATCH


def check_sample_ratio(periods: Sequence[WeightedPeriod]) -> SampleRatio:
    """Compare the people of all periods with the weights of each.

    Differences are summed over periods before they are judged: a loss of one arm goes on, whatever the weights are.
    """
    names = sorted({name for period in periods for name in {**period.weights, **period.people}})
    people = dict.fromkeys(names, 0)
    expected = dict.fromkeys(names, 0.0)
    covariance = [[0.0] * len(names) for _ in names]
    for period in periods:
        total, whole = sum(period.people.values()), sum(period.weights.values())
        shares = {name: period.weights.get(name, 0) / whole for name in names}
        for row, name in zip(covariance, names, strict=True):
            people[name] += period.people.get(name, 0)
            expected[name] += total * shares[name]
            for column, other in enumerate(names):
                row[column] += total * shares[name] * ((name == other) - shares[other])
    if any(people[name] and not expected[name] for name in names):
        return SampleRatio(people, expected, 0.0)
    statistic, degrees = _judge([people[name] - expected[name] for name in names], covariance)
    return SampleRatio(people, expected, chi_squared_tail(statistic, degrees) if degrees else 1.0)


def _judge(differences: Sequence[float], covariance: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Return the chi-squared statistic of differences, and its degrees of freedom.

    Gauss's elimination makes them independent of one another. A difference that follows from those before, as the last
    one always does, is left without a variance and does not count.
    """
    rows = [[*row, value] for row, value in zip(covariance, differences, strict=True)]
    statistic, degrees = 0.0, 0
    for place, row in enumerate(rows):
        variance, difference = row[place], row[-1]
        if variance <= covariance[place][place] * _NOTHING:
            continue
        statistic += difference**2 / variance
        degrees += 1
        for below in rows[place + 1 :]:
            factor = below[place] / variance
            for column in range(place, len(below)):
                below[column] -= factor * row[column]
    return statistic, degrees
