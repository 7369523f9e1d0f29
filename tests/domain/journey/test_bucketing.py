"""Golden values: a release that drew otherwise would move people to other arms."""

from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.journey.bucketing import assign_arm, hash_bucket

PEOPLE = [str(UUID(int=place)) for place in range(10_000)]
# The value that chi-square with so many degrees of freedom exceeds once in 1,000 times.
CRITICAL = {1: 10.83, 2: 13.82, 4: 18.47, 9: 27.88}


@pytest.mark.parametrize(
    ("below", "names", "drawn"),
    [
        (7_201, ("abandoned-cart/u-1", "cool-off"), 470),
        (7_201, ("abandoned-cart/u-2", "cool-off"), 1_866),
        (2**64, ("abandoned-cart/u-1", "cool-off"), 1_205_734_171_024_748_958),
        (1, ("anybody",), 0),
    ],
)
def test_a_number_is_the_same_for_ever(below: int, names: tuple[str, ...], drawn: int) -> None:
    assert hash_bucket(below, *names) == drawn


def test_a_person_stays_on_an_arm_for_ever() -> None:
    weights = {"discount": 45, "plain": 45, "holdout": 10}
    people = [f"0199c0de-0000-7000-8000-0000000000{place:02}" for place in range(12)]
    assert [assign_arm("cart-2026", person, weights) for person in people] == [1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0]
    assert [assign_arm("cart-2027", person, weights) for person in people] == [1, 1, 2, 1, 1, 0, 1, 1, 0, 1, 0, 0]


def chi_square(counted: Counter[int], weights: list[int]) -> float:
    total, people = sum(weights), counted.total()
    expected = {index: people * weight / total for index, weight in enumerate(weights) if weight}
    assert set(counted) <= set(expected)
    return sum((counted[index] - one) ** 2 / one for index, one in expected.items())


@pytest.mark.parametrize("weights", [[1, 1], [45, 45, 10], [0, 3, 1, 0, 96, 5, 95], [7] * 10])
@pytest.mark.parametrize("seed", ["cart-2026", "abandoned-cart/reacted"])
def test_people_are_spread_over_the_arms_by_their_weights(seed: str, weights: list[int]) -> None:
    arms = {f"arm{place}": weight for place, weight in enumerate(weights)}
    counted = Counter(assign_arm(seed, person, arms) for person in PEOPLE)
    assert chi_square(counted, weights) < CRITICAL[sum(weight > 0 for weight in weights) - 1]


def test_two_splits_are_independent_of_each_other() -> None:
    halves = {"a": 1, "b": 1}
    counted = Counter(assign_arm("first", one, halves) * 2 + assign_arm("second", one, halves) for one in PEOPLE)
    assert chi_square(counted, [1, 1, 1, 1]) < 16.27


def test_numbers_are_spread_evenly_with_both_ends() -> None:
    counted = Counter(hash_bucket(10, "campaign/step", person) for person in PEOPLE)
    assert chi_square(counted, [1] * 10) < CRITICAL[9]


def test_names_do_not_run_into_one_another() -> None:
    assert hash_bucket(2**64, "a", "bc") != hash_bucket(2**64, "ab", "c")
    assert hash_bucket(2**64, "a") != hash_bucket(2**64, "a", "")


def test_a_share_shifted_between_neighbours_moves_only_people_of_theirs() -> None:
    before, after = {"a": 20, "b": 30, "c": 50}, {"a": 35, "b": 15, "c": 50}
    moved = Counter((assign_arm("s", one, before), assign_arm("s", one, after)) for one in PEOPLE)
    assert {way for way in moved if way[0] != way[1]} == {(1, 0)}
    assert 1_300 < moved[1, 0] < 1_700


@given(st.integers(1, 2**40), st.text(), st.text())
def test_a_number_is_below_its_bound(below: int, first: str, second: str) -> None:
    assert 0 <= hash_bucket(below, first, second) < below


def test_an_arm_without_weight_is_nobodys() -> None:
    assert {assign_arm("s", one, {"a": 0, "b": 1, "c": 0}) for one in PEOPLE[:200]} == {1}
    with pytest.raises(ValueError, match="no arm has a weight"):
        assign_arm("s", "somebody", {"a": 0, "b": 0})
