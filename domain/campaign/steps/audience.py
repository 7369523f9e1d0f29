"""The step `audience`: add the user to one at an ad platform, or remove them."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.ad_audiences.membership import ADS
from domain.campaign.schema import DocumentModel, Given, Slug, refuse
from domain.campaign.steps.action import ActionFacts, ActionRule, ActionStep, ChangeAudience, Effects
from domain.campaign.steps.model import StepId

NO_CONSENT = "no_consent"
_FORM = "Write one: `audience: {add: trial-unused}`"


class AudienceStepRule(ActionRule, frozen=True, tag="audience"):
    """The audience, and whether the user is wanted in it."""

    name: str
    is_wanted: bool

    def effects(self, facts: ActionFacts) -> Effects:
        if self.is_wanted and not facts.profile.consent.get(ADS):
            detail = (
                "the profile refuses ads" if ADS in facts.profile.consent else "the profile has not consented to ads"
            )
            data = {"audience": self.name, "is_wanted": True, "detail": detail}
            return Effects(outcome="refused", reason=NO_CONSENT, data=data)
        return Effects((ChangeAudience(self.name, self.is_wanted),))


class AudienceChange(DocumentModel):
    """An audience to add the user to, or to remove them from."""

    add: Annotated[Slug | None, Given] = Field(
        None, description="the audience in which the user is from now on, if they consent to `ads`: `trial-unused`"
    )
    remove: Annotated[Slug | None, Given] = Field(None, description="the audience which the user leaves")

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.add is None) == (self.remove is None):
            refuse("a step adds to one audience, or removes from one", _FORM)
        return self


class AudienceStep(ActionStep):
    """Add the user to an audience at an ad platform, or remove them."""

    kind = "audience"
    rule_type = AudienceStepRule

    id: StepId
    audience: AudienceChange = Field(description="`{add: trial-unused}` or `{remove: trial-unused}`")

    def rule(self) -> AudienceStepRule:
        name = self.audience.add or self.audience.remove or ""
        return AudienceStepRule(name, self.audience.add is not None)
