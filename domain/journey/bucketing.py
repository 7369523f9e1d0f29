"""Chance that is the same each time: drawn from names, so that it holds for a person, on every machine, for ever."""

from collections.abc import Mapping
from hashlib import sha256

_SIZE = 2**64


def hash_bucket(below: int, *names: str) -> int:
    """A whole number from 0 to less than `below`, spread evenly over the names."""
    # The lengths keep ("a", "bc") and ("ab", "c") apart.
    text = "".join(f"{len(name)}:{name}" for name in names)
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") * below // _SIZE


def assign_arm(seed: str, person: str, weights: Mapping[str, int]) -> int:
    """The index of the arm that a person goes, each in proportion to its weight. The weights' sum is above 0.

    The weights lie on the line one after the other: shifting weight between two neighbours moves only people of theirs.
    """
    place = hash_bucket(sum(weights.values()), seed, person)
    for index, weight in enumerate(weights.values()):
        place -= weight
        if place < 0:
            return index
    raise ValueError("no arm has a weight")
