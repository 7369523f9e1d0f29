"""Numbers drawn for experiments."""

from collections.abc import Sequence
from math import log
from random import Random

from domain.experiments.sums import ArmSums


def draw_share(source: Random, people: int, share: float) -> int:
    """Return how many of some people reach a goal, exactly as if each was drawn by themselves."""
    reached, place, scale = 0, -1, log(1 - share)
    while True:
        # The people between two who reach it are geometrically distributed.
        place += 1 + int(log(1 - source.random()) / scale)
        if place >= people:
            return reached
        reached += 1


def shared(people: int, reached: float) -> ArmSums:
    """Return the sums of a goal that is reached or not."""
    return ArmSums(n=people, y=reached, yy=reached)


def chances(weights: Sequence[int]) -> list[float]:
    """Return weights as shares."""
    return [weight / sum(weights) for weight in weights]
