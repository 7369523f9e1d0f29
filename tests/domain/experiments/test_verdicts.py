"""Verdicts, and the weights that follow."""

import pytest

from domain.experiments.estimates import ArmEffect, MetricEstimate
from domain.experiments.guardrails import GuardrailFinding
from domain.experiments.sample_ratio import SampleRatio
from domain.experiments.verdicts import ExperimentVerdict, judge, share_alpha
from domain.experiments.weights import stop_arms, weigh_winner

HEALTHY = SampleRatio({"a": 10, "b": 10}, {"a": 10.0, "b": 10.0}, 0.5)
LEVEL = MetricEstimate(0.1, 0.01)


def effect(z: float, error: float = 0.01) -> ArmEffect:
    return ArmEffect(LEVEL, LEVEL, MetricEstimate(z * error, error), None)


def test_a_mismatch_hides_even_a_winner_and_a_harm() -> None:
    ratio = SampleRatio({"a": 10, "b": 5}, {"a": 10.0, "b": 10.0}, 0.0001)
    harm = GuardrailFinding("Unsubscribed", "b", effect(5), 0.01)
    assert judge(ratio, [harm], {"b": effect(9)}, 2.0, is_last=True) == ExperimentVerdict("hidden")


def test_a_harmful_arm_is_said_before_it_wins() -> None:
    harm = GuardrailFinding("Unsubscribed", "b", effect(5), 0.01)
    assert judge(HEALTHY, [harm], {"b": effect(9)}, 2.0, is_last=False) == ExperimentVerdict("harmful", ["b"])


def test_of_two_better_arms_the_one_with_more_wins() -> None:
    effects = {"b": effect(3, error=0.02), "c": effect(5, error=0.01)}
    assert judge(HEALTHY, [], effects, 2.5, is_last=False) == ExperimentVerdict("winner", ["b"])


def test_the_control_wins_once_all_arms_are_worse() -> None:
    assert judge(HEALTHY, [], {"b": effect(-3), "c": effect(-4)}, 2.5, is_last=False) == ExperimentVerdict(
        "control", ["b", "c"]
    )
    assert judge(HEALTHY, [], {"b": effect(-3), "c": None}, 2.5, is_last=False) == ExperimentVerdict("undecided")


@pytest.mark.parametrize(("is_last", "kind"), [(False, "undecided"), (True, "no_difference")])
def test_what_no_look_has_found(kind: str, *, is_last: bool) -> None:
    assert judge(HEALTHY, [], {"b": effect(1)}, 2.5, is_last=is_last).kind == kind


def test_comparisons_share_the_error() -> None:
    assert share_alpha(0.05, 2) == 0.05
    assert share_alpha(0.05, 5) == 0.0125


def test_a_winner_leaves_the_control_a_twentieth() -> None:
    assert weigh_winner(["a", "b", "c"], "a", "c") == {"a": 5, "b": 0, "c": 95}
    assert weigh_winner(["a", "b", "c"], "a", "a") == {"a": 100, "b": 0, "c": 0}


def test_the_people_of_a_stopped_arm_go_to_the_control() -> None:
    assert stop_arms({"a": 10, "b": 45, "c": 45}, "a", ["c"]) == {"a": 55, "b": 45, "c": 0}
