"""Guardrails: metrics that must not get worse, looked at each day."""

from typing import Final

from msgspec import Struct

from domain.experiments.confidence_sequence import find_lower_bound
from domain.experiments.estimates import ArmEffect, estimate_effect
from domain.experiments.sums import ArmSums

# The error of one guardrail of one arm over the whole experiment.
ALPHA: Final = 0.01


class GuardrailFinding(Struct, frozen=True):
    """The harm of an arm: more of a metric of which less is better.

    `at_least` is the harm beyond doubt, in the unit of the metric; above 0 the arm is to be stopped.
    """

    metric: str
    arm: str
    effect: ArmEffect
    at_least: float

    @property
    def is_harmful(self) -> bool:
        """Whether the arm is worse than the control beyond doubt."""
        return self.at_least > 0


def check_guardrail(metric: str, arm: str, control: ArmSums, sums: ArmSums, expected: int) -> GuardrailFinding | None:
    """Compare an arm with the control; None with too few people.

    `expected` are the people of both arms at the planned end.
    """
    if (effect := estimate_effect(control, sums)) is None:
        return None
    at_least = find_lower_bound(effect.absolute, control.n + sums.n, expected, ALPHA)
    return GuardrailFinding(metric, arm, effect, at_least)
