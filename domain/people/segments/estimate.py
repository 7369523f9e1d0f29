"""How many people a condition holds for, from a sample drawn at random."""

from math import ceil, floor
from typing import Final

from msgspec import Struct

from domain.wilson import bound_share

# A sample with fewer matches bounds a number, and does not estimate it.
MIN_MATCHES: Final = 10


class Estimate(Struct, frozen=True):
    """The number of people, most likely from `low` to `high`, of those that there are."""

    estimate: int
    low: int
    high: int
    of: int
    sampled: int
    matches: int

    @property
    def is_exact(self) -> bool:
        """Whether everyone was looked at."""
        return self.sampled == self.of

    @property
    def is_rare(self) -> bool:
        """Whether too few matched for more than an upper bound."""
        return not self.is_exact and self.matches < MIN_MATCHES

    @property
    def summary(self) -> str:
        """The number in words."""
        if self.is_exact:
            return f"{self.estimate:,} of {self.of:,} people"
        if self.is_rare:
            return f"fewer than {self.high + 1:,} of {self.of:,} people"
        return f"about {self.estimate:,} of {self.of:,} people ({self.low:,} to {self.high:,})"


def estimate_number(matches: int, sampled: int, of: int) -> Estimate:
    """Estimate how many of so many people match, by Wilson's interval."""
    of = max(of, sampled)
    if sampled == of:
        return Estimate(matches, matches, matches, of, sampled, matches)
    if sampled == 0:
        return Estimate(0, 0, of, of, sampled, matches)
    lower, upper = bound_share(matches, sampled)
    low = max(matches, floor(lower * of))
    high = min(of - (sampled - matches), ceil(upper * of))
    return Estimate(round(matches / sampled * of), low, high, of, sampled, matches)
