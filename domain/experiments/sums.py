"""The sums of an arm, from which all its numbers follow.

They add up over days, shards and processes, so a page of results is one aggregate of the database.
"""

from collections.abc import Iterable

from msgspec import Struct


class ArmSums(Struct, frozen=True):
    """Sums over the people of an arm.

    `y` is the metric of a person after the exposure. `x` is a second number of the same person: the metric before the
    exposure, or the denominator of a ratio; 0 for all without one. Sums of products of large numbers keep about
    15 digits, enough for a million people with orders of a thousand each.
    """

    n: int = 0
    y: float = 0.0
    yy: float = 0.0
    x: float = 0.0
    xx: float = 0.0
    xy: float = 0.0

    def __add__(self, other: "ArmSums") -> "ArmSums":
        """Return the sums over the people of both."""
        return ArmSums(
            self.n + other.n,
            self.y + other.y,
            self.yy + other.yy,
            self.x + other.x,
            self.xx + other.xx,
            self.xy + other.xy,
        )

    @property
    def mean_y(self) -> float:
        """The mean of the metric."""
        return self.y / self.n

    @property
    def mean_x(self) -> float:
        """The mean of the second number."""
        return self.x / self.n

    @property
    def variance_y(self) -> float:
        """The variance of the metric among people."""
        return _covariance(self.n, self.yy, self.y, self.y)

    @property
    def variance_x(self) -> float:
        """The variance of the second number among people."""
        return _covariance(self.n, self.xx, self.x, self.x)

    @property
    def covariance(self) -> float:
        """The covariance of both among people."""
        return _covariance(self.n, self.xy, self.x, self.y)


def sum_people(people: Iterable[tuple[float, float]]) -> ArmSums:
    """Return the sums of people, each given by `(y, x)`."""
    pairs = list(people)
    return ArmSums(
        len(pairs),
        sum(y for y, _ in pairs),
        sum(y * y for y, _ in pairs),
        sum(x for _, x in pairs),
        sum(x * x for _, x in pairs),
        sum(x * y for y, x in pairs),
    )


def _covariance(n: int, product: float, one: float, other: float) -> float:
    """Return a covariance with Bessel's correction; 0 for a single person."""
    return (product - one * other / n) / (n - 1) if n > 1 else 0.0
