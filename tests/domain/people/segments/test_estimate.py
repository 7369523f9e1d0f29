"""Estimates from a sample: their intervals hold, and few matches are told as a bound."""

from math import isclose
from random import Random, randrange

import pytest

from domain.people.segments.estimate import Estimate, estimate_number
from tests.proofs import rounds


@pytest.mark.parametrize(
    ("matches", "sampled", "of", "low", "high"),
    [
        # Of 1,000 people 10: Wilson's interval is 0.545 % to 1.831 %.
        (10, 1_000, 1_000_000, 5_445, 18_314),
        (0, 20_000, 1_000_000, 0, 193),
        (20_000, 20_000, 1_000_000, 999_807, 1_000_000),
        (500, 1_000, 1_001, 500, 501),
    ],
)
def test_the_interval_is_wilsons(matches: int, sampled: int, of: int, low: int, high: int) -> None:
    found = estimate_number(matches, sampled, of)
    assert isclose(found.low, low, abs_tol=of / 100_000)
    assert isclose(found.high, high, abs_tol=of / 100_000)
    assert found.low <= found.estimate <= found.high


def test_everyone_is_no_estimate() -> None:
    found = estimate_number(3, 7, 7)
    assert found == Estimate(3, 3, 3, 7, 7, 3)
    assert found.summary == "3 of 7 people"
    # The statistics of PostgreSQL lag behind.
    assert estimate_number(3, 7, 5).of == 7


@pytest.mark.parametrize(
    ("matches", "summary"),
    [
        (0, "fewer than 194 of 1,000,000 people"),
        (9, "fewer than 857 of 1,000,000 people"),
        (186, "about 9,300 of 1,000,000 people (8,060 to 10,728)"),
    ],
)
def test_few_matches_are_a_bound(matches: int, summary: str) -> None:
    assert estimate_number(matches, 20_000, 1_000_000).summary == summary


def test_nobody_looked_at_says_nothing() -> None:
    assert estimate_number(0, 0, 1_000).summary == "fewer than 1,001 of 1,000 people"


def test_the_number_is_in_95_of_100_intervals() -> None:
    seed = randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    draw = Random(seed)
    number, of, sampled = 400, 20_000, 1_000
    people = [True] * number + [False] * (of - number)
    tried = rounds(300, 5_000)
    hits = 0
    for _ in range(tried):
        found = estimate_number(sum(draw.sample(people, sampled)), sampled, of)
        hits += found.low <= number <= found.high
    # 95 of 100; the sample is drawn without replacement, which narrows its spread.
    assert hits / tried > 0.9
