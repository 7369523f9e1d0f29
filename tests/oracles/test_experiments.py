"""Estimates, variances, bounds and tails equal those of independent libraries."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec import convert

from domain.experiments.chi_squared import chi_squared_tail
from domain.experiments.confidence_sequence import find_lower_bound
from domain.experiments.estimates import MetricForm, estimate_effect
from domain.experiments.sequential import Look, find_bounds
from domain.experiments.sums import ArmSums

HERE: Final = Path(__file__).parent
PYTHON: Final = HERE.parents[1] / ".venv-oracles" / "bin" / "python"
ANSWERS: Final[dict[str, Any]] = json.loads((HERE / "experiment_answers.json").read_text())


def test_the_recorded_answers_are_those_of_the_libraries() -> None:
    if not PYTHON.exists():
        pytest.skip("`make oracles` installs the libraries, which have 330 MB")
    answered = subprocess.run([PYTHON, HERE / "experiment_answers.py"], capture_output=True, check=True, timeout=600)
    assert json.loads(answered.stdout) == ANSWERS


@pytest.mark.parametrize("form", ["mean", "ratio", "adjusted"])
@pytest.mark.parametrize("pair", ANSWERS["pairs"], ids=lambda pair: f"{pair['control']['n']}-{pair['arm']['n']}")
def test_effects_equal_growthbooks(pair: dict[str, Any], form: MetricForm) -> None:
    effect = estimate_effect(convert(pair["control"], ArmSums), convert(pair["arm"], ArmSums), form)
    assert effect is not None
    for name, answer in pair[form].items():
        found = getattr(effect, name)
        assert found.value == pytest.approx(answer["value"], rel=1e-9)
        assert found.error == pytest.approx(answer["error"], rel=1e-9)


@pytest.mark.parametrize("pair", ANSWERS["pairs"], ids=lambda pair: f"{pair['control']['n']}-{pair['arm']['n']}")
def test_a_one_sided_sequence_is_just_inside_the_two_sided_one_of_twice_its_error(pair: dict[str, Any]) -> None:
    """The one-sided bound adds 1 within the logarithm: it is lower by little, and never higher."""
    effect = estimate_effect(convert(pair["control"], ArmSums), convert(pair["arm"], ArmSums))
    assert effect is not None
    answer = pair["sequence"]
    people = pair["control"]["n"] + pair["arm"]["n"]
    lower = find_lower_bound(effect.absolute, people, answer["expected"], answer["alpha"])
    width, other = effect.absolute.value - lower, effect.absolute.value - answer["lower"]
    assert other < width < 1.01 * other


@pytest.mark.parametrize("answer", ANSWERS["looks"], ids=lambda answer: f"{len(answer['fractions'])}-{answer['power']}")
def test_bounds_equal_spotifys(answer: dict[str, Any]) -> None:
    looks = [Look(at, 0.05 * at ** answer["power"]) for at in answer["fractions"]]
    # Theirs integrates by trapezia of a twentieth of a deviation and stops within 1e-7 of the error.
    assert find_bounds(looks) == pytest.approx(answer["bounds"], abs=3e-3)


@pytest.mark.parametrize("answer", ANSWERS["tails"], ids=lambda answer: f"{answer['degrees']}-{answer['value']}")
def test_tails_equal_scipys(answer: dict[str, Any]) -> None:
    assert chi_squared_tail(answer["value"], answer["degrees"]) == pytest.approx(answer["tail"], rel=1e-9)
