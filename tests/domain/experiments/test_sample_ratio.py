"""The check of people against weights."""

from collections import Counter
from random import Random

import pytest

from domain.experiments.sample_ratio import WeightedPeriod, check_sample_ratio
from tests.domain.experiments.drawn import chances
from tests.proofs import rounds


def draw(source: Random, weights: dict[str, int], people: int) -> WeightedPeriod:
    arms = source.choices(list(weights), weights=chances(list(weights.values())), k=people)
    return WeightedPeriod(weights, Counter(arms))


def test_weights_that_were_changed_are_no_mismatch() -> None:
    source = Random(3)
    ratio = check_sample_ratio(
        [draw(source, {"a": 90, "b": 10}, 20_000), draw(source, {"a": 5, "b": 95}, 20_000)],
    )
    assert not ratio.is_mismatched
    assert ratio.expected == {"a": pytest.approx(19_000), "b": pytest.approx(21_000)}


def test_an_arm_that_was_added_later_is_no_mismatch() -> None:
    source = Random(4)
    periods = [
        draw(source, {"a": 1, "b": 1}, 10_000),
        draw(source, {"a": 1, "b": 1, "c": 2}, 10_000),
        draw(source, {"c": 1, "d": 1}, 10_000),
    ]
    assert not check_sample_ratio(periods).is_mismatched


def test_arms_that_were_never_drawn_together_are_judged_apart() -> None:
    periods = [
        WeightedPeriod({"a": 1, "b": 1}, {"a": 5_000, "b": 5_000}),
        WeightedPeriod({"c": 1, "d": 1}, {"c": 5_400, "d": 4_600}),
    ]
    assert check_sample_ratio(periods).is_mismatched


def test_people_in_an_arm_without_weight_are_a_mismatch() -> None:
    assert check_sample_ratio([WeightedPeriod({"a": 1, "b": 0}, {"a": 10, "b": 1})]).p == 0.0


def test_an_experiment_without_people_has_no_mismatch() -> None:
    assert check_sample_ratio([]).p == 1.0
    assert check_sample_ratio([WeightedPeriod({"a": 1, "b": 1}, {})]).p == 1.0


def test_a_loss_of_one_in_a_hundred_of_an_arm_is_found() -> None:
    """Of two arms of 500,000 each; the loss is 7 standard deviations of what remains."""
    source = Random(5)
    drawn = draw(source, {"a": 1, "b": 1}, 1_000_000).people
    lost = {**drawn, "b": drawn["b"] - drawn["b"] // 100}
    assert not check_sample_ratio([WeightedPeriod({"a": 1, "b": 1}, drawn)]).is_mismatched
    assert check_sample_ratio([WeightedPeriod({"a": 1, "b": 1}, lost)]).is_mismatched


@pytest.mark.prove
def test_one_healthy_experiment_of_a_thousand_is_hidden() -> None:
    seed = 31
    print(f"seed {seed}")  # noqa: T201
    source, runs = Random(seed), rounds(200, 20_000)
    hidden = sum(
        check_sample_ratio(
            [draw(source, {"a": 45, "b": 45, "c": 10}, 300), draw(source, {"a": 1, "b": 1, "c": 8}, 200)]
        ).is_mismatched
        for _ in range(runs)
    )
    print(f"{hidden} of {runs}")  # noqa: T201
    assert hidden <= 0.001 * runs + 4 * (0.001 * runs) ** 0.5 + 1
