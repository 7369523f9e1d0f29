"""The step `update_profile`: set traits of the user's profile."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from domain.campaign.expression_fields import Values
from domain.campaign.schema import refuse
from domain.campaign.steps.action import (
    ActionFacts,
    ActionRule,
    ActionStep,
    Effects,
    SetTraits,
    ValuesRule,
    values_rule,
)
from domain.campaign.steps.model import StepId
from domain.channels.kinds import ADDRESS_TRAITS
from domain.document.yaml_source import Path
from domain.people.derived_events import trait_trigger
from domain.tracking.event import Trigger, Trust

_UNVERIFIED: Final = "an address is not set from what a browser may have reported without a user token: report it"
_STATED: Final = "it is stated already, and what a browser may have reported without a user token does not replace it"


class UpdateProfileRule(ActionRule, frozen=True, tag="update_profile"):
    """The traits to set."""

    traits: ValuesRule

    @property
    def causes(self) -> tuple[Trigger, ...]:
        return tuple(trait_trigger(name) for name in (*self.traits.plain, *self.traits.computed))

    def effects(self, facts: ActionFacts) -> Effects:
        traits, errors = self.traits.evaluate(facts)
        unverified = self.traits.find_unverified(facts)
        # Anyone may have stated these values: an address made of them would be one of their choice.
        doubtful = self.traits.computed.keys() if facts.entry.trust is not Trust.VERIFIED else unverified
        refused = dict.fromkeys(unverified & facts.verified, _STATED)
        refused |= dict.fromkeys(ADDRESS_TRAITS & doubtful, _UNVERIFIED)
        for name in refused.keys() & traits.keys():
            del traits[name]
            errors[name] = refused[name]
        return Effects((SetTraits(traits, unverified & traits.keys()),), errors)


def _no_consent(given: dict[str, Any]) -> dict[str, Any]:
    if "consent" in given:
        refuse("`consent` can only be reported by the person", "Report it with an identify")
    return given


class UpdateProfileStep(ActionStep):
    """Set traits of the user's profile."""

    kind = "update_profile"
    rule_type = UpdateProfileRule

    id: StepId
    update_profile: Annotated[Values, AfterValidator(_no_consent)] = Field(
        description="the traits by name: texts, numbers, true, false, lists of those, or `{cel: …}`",
        json_schema_extra={"propertyNames": {"not": {"const": "consent"}}},
    )

    def rule(self) -> UpdateProfileRule:
        return UpdateProfileRule(values_rule(self.update_profile))

    @classmethod
    def raw_values(cls, step: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
        values = step.get("update_profile")
        for name, value in values.items() if isinstance(values, dict) else ():
            yield ("update_profile", name), value
