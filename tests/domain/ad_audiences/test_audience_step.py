"""The step `audience` names one audience that is there, and adds only those who consent to ads."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from domain.campaign.publication import check
from domain.campaign.steps.action import ActionFacts, ChangeAudience, Effects
from domain.campaign.steps.audience import AudienceStepRule
from domain.deployed_names import DeployedNames
from domain.errors import InvalidDocumentError

NAMES = DeployedNames({}, (), audiences=["trial-unused"], mirrors=["vips"])


def faults(step: str) -> list[str]:
    source = f"key: ads\nname: Ads\nentry: {{event: Signed Up}}\nsteps:\n  - {{id: ads, audience: {step}}}\n"
    try:
        check(source, "campaign.yaml", {}, NAMES)
    except InvalidDocumentError as error:
        return [f"{problem.line}: {problem.message}" for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ("{add: trial-unused}", []),
        ("{remove: trial-unused}", []),
        ("{add: trial-used}", ["5: there is no audience `trial-used`"]),
        ("{remove: vips}", ["5: `vips` mirrors a segment"]),
        ("{}", ["5: a step adds to one audience, or removes from one"]),
        ("{add: trial-unused, remove: trial-unused}", ["5: a step adds to one audience, or removes from one"]),
    ],
)
def test_a_step_names_an_audience_that_steps_fill(step: str, found: list[str]) -> None:
    assert [line.partition("steps[0].audience: ")[2] or line for line in faults(step)] == found


def decide(consent: dict[str, bool], *, is_wanted: bool = True) -> Effects:
    facts: Any = SimpleNamespace(profile=SimpleNamespace(consent=consent))
    return AudienceStepRule("trial-unused", is_wanted).effects(cast(ActionFacts, facts))


def test_only_those_who_say_yes_are_added() -> None:
    assert decide({"ads": True}).effects == (ChangeAudience("trial-unused", True),)
    assert decide({}, is_wanted=False).effects == (ChangeAudience("trial-unused", False),)
    silent, refusing = decide({"email": True}), decide({"ads": False})
    assert [(one.effects, one.outcome, one.reason) for one in (silent, refusing)] == [((), "refused", "no_consent")] * 2
    assert silent.data["detail"] == "the profile has not consented to ads"
    assert refusing.data["detail"] == "the profile refuses ads"
