"""The verdict of an experiment at a look: one word first, the numbers after it."""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from domain.experiments.estimates import ArmEffect
from domain.experiments.guardrails import GuardrailFinding
from domain.experiments.sample_ratio import SampleRatio

VerdictKind = Literal["hidden", "harmful", "winner", "control", "undecided", "no_difference"]


class ExperimentVerdict(Struct, frozen=True):
    """The verdict of an experiment.

    `hidden`: the arms do not have the people that their weights promise, so nothing is said of effects.
    `harmful`: `arms` hurt a guardrail. `winner`: the one of `arms` is better than the control. `control`: all arms are
    worse. `undecided`: nothing yet. `no_difference`: none was found by the planned end, which does not say that there
    is none.
    """

    kind: VerdictKind
    arms: Sequence[str] = ()


def judge(
    ratio: SampleRatio,
    guardrails: Sequence[GuardrailFinding],
    effects: Mapping[str, ArmEffect | None],
    bound: float,
    *,
    is_last: bool,
) -> ExperimentVerdict:
    """Return the verdict at a look.

    `effects` are those of each arm but the control, more being better; `bound` is that of this look, in standard
    errors, for one of these comparisons.
    """
    if ratio.is_mismatched:
        return ExperimentVerdict("hidden")
    if harmful := sorted({one.arm for one in guardrails if one.is_harmful}):
        return ExperimentVerdict("harmful", harmful)
    known = {arm: effect.absolute for arm, effect in effects.items() if effect is not None}
    better = [arm for arm, estimate in known.items() if estimate.z > bound]
    if better:
        return ExperimentVerdict("winner", [max(better, key=lambda arm: (known[arm].value, arm))])
    if known and len(known) == len(effects) and all(estimate.z < -bound for estimate in known.values()):
        return ExperimentVerdict("control", sorted(known))
    return ExperimentVerdict("no_difference" if is_last else "undecided")


def share_alpha(alpha: float, arms: int) -> float:
    """Return the error of one comparison of an arm with the control.

    All comparisons together keep within `alpha`, by Bonferroni's rule.
    """
    return alpha / (arms - 1)
