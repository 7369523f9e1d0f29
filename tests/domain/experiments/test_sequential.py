"""Bounds against published ones, and what looks do to errors and power."""

from random import Random
from statistics import NormalDist

import pytest

from domain.experiments.estimates import estimate_effect
from domain.experiments.power import (
    ExperimentPlan,
    count_people,
    find_power,
    plan_bounds,
    plan_length,
    plan_looks,
    share_level,
)
from domain.experiments.sequential import Look, chance_to_win, find_bounds
from domain.experiments.spending import SpendingShape, spend
from tests.domain.experiments.drawn import draw_share, shared
from tests.proofs import rounds

PLAN = ExperimentPlan(share_level(0.05), share_level(0.055), (0.5, 0.5), 0.8, 0.05)


@pytest.mark.parametrize(
    ("shape", "published"),
    [
        # Five looks, both sides 0.05: D. Reboussin and others, "Computations for group sequential boundaries using
        # the Lan-DeMets spending function method", Controlled Clinical Trials 21 (2000), table 1.
        ("obrien_fleming", [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]),
        ("pocock", [2.4380, 2.4268, 2.4101, 2.3966, 2.3859]),
    ],
)
def test_bounds_of_five_looks_are_the_published_ones(shape: SpendingShape, published: list[float]) -> None:
    looks = [Look(k / 5, spend(0.05, k / 5, shape)) for k in range(1, 6)]
    assert find_bounds(looks) == pytest.approx(published, abs=2e-4)


def test_one_look_is_the_test_of_the_textbook() -> None:
    assert find_bounds([Look(1, 0.05)]) == pytest.approx([NormalDist().inv_cdf(0.975)], abs=1e-9)


@pytest.mark.parametrize("information", [[0.2, 0.4, 0.6, 0.8, 1.0], [0.05, 0.5, 0.55, 1.0], [0.3, 0.9, 1.4]])
def test_all_looks_together_err_as_often_as_promised(information: list[float]) -> None:
    bounds = find_bounds([Look(at, spend(0.05, at / information[-1], "pocock")) for at in information])
    assert 2 * chance_to_win(bounds, information, 0.0) == pytest.approx(0.05, abs=1e-9)


def test_bounds_depend_on_no_unit_of_information() -> None:
    fractions = [0.25, 0.5, 1.0]
    some, more = ([Look(at * unit, spend(0.05, at)) for at in fractions] for unit in (1, 12_345))
    assert find_bounds(some) == pytest.approx(find_bounds(more), abs=1e-9)


def test_a_look_that_may_spend_nothing_finds_nothing() -> None:
    first, second = find_bounds([Look(0.01, 0.0), Look(1.0, 0.05)])
    assert first == 8.0
    assert second == pytest.approx(1.96, abs=1e-3)


def test_the_plan_of_the_design_page_needs_its_people() -> None:
    """Looked at once: 5 %, a lift of 10 %, 80 % power: R's power.prop.test says 31,234 an arm."""
    assert count_people(PLAN, 1) / 2 == pytest.approx(31_234, rel=1e-3)


def test_more_looks_need_a_few_people_more() -> None:
    needed = [count_people(PLAN, weeks) for weeks in (1, 2, 4, 9, 12)]
    assert needed == sorted(needed)
    assert needed[-1] < needed[0] * 1.05
    for weeks, people in zip((1, 2, 4, 9, 12), needed, strict=True):
        assert find_power(PLAN, people, weeks) == pytest.approx(0.8, abs=1e-4)


def test_a_length_has_the_people_it_needs_and_no_week_more() -> None:
    length = plan_length(PLAN, 7_000)
    assert length is not None
    assert length.weeks == 10
    assert length.people <= 70_000
    assert count_people(PLAN, 9) > 63_000
    assert length.looks == list(range(1, 11))


def test_an_experiment_of_years_has_no_length() -> None:
    assert plan_length(PLAN, 100) is None
    assert plan_length(PLAN, 0) is None


@pytest.mark.parametrize("weeks", [1, 11, 12, 13, 25, 104])
def test_looks_are_few_and_the_last_is_at_the_end(weeks: int) -> None:
    looks = plan_looks(weeks)
    assert len(looks) <= 13
    assert looks[-1] == weeks
    assert looks == sorted(set(looks))


@pytest.mark.prove
@pytest.mark.parametrize(("lift", "seed"), [(1.0, 41), (1.1, 42)])
def test_simulated_experiments_win_as_often_as_planned(lift: float, seed: int) -> None:
    """5 % reach the goal; the planned people come evenly over four weeks, looked at each week."""
    print(f"seed {seed}")  # noqa: T201
    source, runs, weeks = Random(seed), rounds(150, 10_000), 4
    bounds = plan_bounds(weeks, 0.05)
    weekly = count_people(PLAN, weeks) // 2 // weeks
    wins = losses = 0
    for _ in range(runs):
        reached = [0, 0]
        for week, bound in enumerate(bounds, 1):
            reached = [
                reached[0] + draw_share(source, weekly, 0.05),
                reached[1] + draw_share(source, weekly, 0.05 * lift),
            ]
            control, arm = (shared(week * weekly, one) for one in reached)
            effect = estimate_effect(control, arm)
            assert effect is not None
            if abs(effect.absolute.z) > bound:
                wins, losses = wins + (effect.absolute.z > 0), losses + (effect.absolute.z < 0)
                break
    print(f"{runs} experiments: {wins / runs:.2%} won, {losses / runs:.2%} lost")  # noqa: T201
    # Of the short form, four standard errors more.
    chance = 0.0 if runs == 10_000 else 2 * runs**-0.5
    if lift == 1.0:
        assert (wins + losses) / runs <= 0.055 + chance * 0.45
    else:
        assert wins / runs == pytest.approx(0.8, abs=0.02 + chance * 0.8)
