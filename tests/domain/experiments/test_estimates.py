"""Effects of arms, and how often their intervals hold the truth."""

from random import Random

import pytest
from msgspec.structs import asdict

from domain.experiments.confidence_sequence import find_lower_bound
from domain.experiments.estimates import MIN_PEOPLE, MetricForm, estimate_effect, two_sided_bound
from domain.experiments.guardrails import check_guardrail
from domain.experiments.sums import ArmSums, sum_people
from tests.domain.experiments.drawn import draw_share, shared
from tests.proofs import rounds


def spend(source: Random, people: int, lift: float) -> ArmSums:
    """Draw people who mostly buy nothing, and sometimes much; who bought before buys more."""
    found = []
    for _ in range(people):
        before = source.lognormvariate(3, 0.8) if source.random() < 0.5 else 0.0
        bought = source.lognormvariate(3, 0.8) * lift if source.random() < 0.4 else 0.0
        found.append((bought + before, before))
    return sum_people(found)


def test_sums_add_up() -> None:
    source = Random(7)
    people = [(source.random(), source.random()) for _ in range(300)]
    both = sum_people(people[:120]) + sum_people(people[120:])
    assert asdict(both) == pytest.approx(asdict(sum_people(people)))


def test_too_few_people_have_no_effect() -> None:
    assert estimate_effect(shared(MIN_PEOPLE, 5), shared(MIN_PEOPLE - 1, 5)) is None
    assert estimate_effect(shared(MIN_PEOPLE, 5), shared(MIN_PEOPLE, 5)) is not None


def test_an_effect_on_next_to_nothing_has_no_relative_form() -> None:
    effect = estimate_effect(shared(1_000, 4), shared(1_000, 40))
    assert effect is not None
    assert effect.relative is None
    assert effect.absolute.value == pytest.approx(0.036)


def test_a_ratio_without_denominators_has_no_effect() -> None:
    arm = ArmSums(n=500, y=40, yy=40)
    assert estimate_effect(arm, arm, "ratio") is None


def test_people_who_are_all_alike_leave_no_error() -> None:
    effect = estimate_effect(ArmSums(n=500, y=1_500, yy=4_500), ArmSums(n=500, y=1_500, yy=4_500))
    assert effect is not None
    assert (effect.absolute.value, effect.absolute.error, effect.absolute.z) == (0.0, 0.0, 0.0)


def test_past_purchases_take_error_away() -> None:
    source = Random(11)
    control, arm = spend(source, 4_000, 1.0), spend(source, 4_000, 1.2)
    plain, adjusted = estimate_effect(control, arm), estimate_effect(control, arm, "adjusted")
    assert plain is not None
    assert adjusted is not None
    assert adjusted.absolute.error < 0.8 * plain.absolute.error


@pytest.mark.prove
@pytest.mark.parametrize("form", ["mean", "adjusted", "ratio"])
def test_the_truth_lies_in_95_of_100_intervals(form: MetricForm) -> None:
    """The effect on the mean is known: 40 % buy, lifted by a fifth."""
    seed = 19
    print(f"seed {seed}")  # noqa: T201
    source, runs, bound = Random(seed), rounds(100, 2_000), two_sided_bound(0.95)
    typical = 2.718281828459045 ** (3 + 0.8**2 / 2)
    truth = 0.4 * 0.2 * typical
    held = 0
    for _ in range(runs):
        effect = estimate_effect(spend(source, 500, 1.0), spend(source, 500, 1.2), form)
        assert effect is not None
        low, high = effect.absolute.interval(bound)
        # A ratio has the purchases before as its denominator: half of the people, as much each.
        held += low <= (truth / (0.5 * typical) if form == "ratio" else truth) <= high
    print(f"{form}: {held / runs:.2%} of {runs}")  # noqa: T201
    chance = 0.0 if runs == 2_000 else 4 * (0.95 * 0.05 / runs) ** 0.5
    assert 0.93 - chance <= held / runs <= 0.97 + chance


@pytest.mark.prove
def test_a_guardrail_that_is_looked_at_daily_stops_few_harmless_arms() -> None:
    """2 % complain in both arms over 60 days of 200 people each; at most 1 % of the arms are stopped at any day."""
    seed = 23
    print(f"seed {seed}")  # noqa: T201
    source, runs, days = Random(seed), rounds(60, 3_000), 60
    stopped = 0
    for _ in range(runs):
        reached = [0, 0]
        for day in range(1, days + 1):
            reached = [one + draw_share(source, 200, 0.02) for one in reached]
            control, arm = (shared(200 * day, one) for one in reached)
            finding = check_guardrail("Complained", "b", control, arm, 200 * days * 2)
            if finding is not None and finding.is_harmful:
                stopped += 1
                break
    print(f"{stopped} of {runs} stopped")  # noqa: T201
    assert stopped <= 0.01 * runs + (3 if runs < 3_000 else 0)


def test_a_harmful_arm_is_stopped_long_before_the_end() -> None:
    source, reached = Random(29), [0, 0]
    for day in range(1, 61):
        reached = [reached[0] + draw_share(source, 200, 0.02), reached[1] + draw_share(source, 200, 0.04)]
        control, arm = (shared(200 * day, one) for one in reached)
        finding = check_guardrail("Complained", "b", control, arm, 24_000)
        if finding is not None and finding.is_harmful:
            break
    else:
        pytest.fail("twice the complaints went on for 60 days")
    assert day < 40


def test_a_bound_comes_closer_with_people() -> None:
    widths = []
    for people in (1_000, 10_000, 100_000):
        effect = estimate_effect(shared(people, people / 50), shared(people, people / 50))
        assert effect is not None
        widths.append(-find_lower_bound(effect.absolute, 2 * people, 20_000, 0.01))
    assert widths == sorted(widths, reverse=True)
