"""Stable draws: computed from names, so that they never change for a person."""

from collections.abc import Mapping
from hashlib import sha256

_SIZE = 2**64


def hash_bucket(below: int, *names: str) -> int:
    """Return a whole number from 0 to less than `below`, spread evenly over the names."""
    # The lengths keep ("a", "bc") and ("ab", "c") apart.
    text = "".join(f"{len(name)}:{name}" for name in names)
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") * below // _SIZE


def assign_arm(seed: str, person: str, weights: Mapping[str, int]) -> int:
    """Return the index of a person's arm, drawn in proportion to the weights.

    The sum of the weights is above 0. The arms are consecutive intervals, so shifting weight between two neighbours
    moves only their people.
    """
    place = hash_bucket(sum(weights.values()), seed, person)
    for index, weight in enumerate(weights.values()):
        place -= weight
        if place < 0:
            return index
    raise ValueError("no arm has a weight")
