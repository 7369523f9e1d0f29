"""The step `set_stage`: set the lifecycle stage of the user."""

from pydantic import Field

from domain.campaign.schema import Slug
from domain.campaign.steps.action import ActionFacts, ActionRule, ActionStep, Effects, SetStage
from domain.campaign.steps.model import StepId
from domain.people.derived_events import STAGE
from domain.tracking.event import Trigger


class SetStageRule(ActionRule, frozen=True, tag="set_stage"):
    """The stage to set."""

    stage: str

    @property
    def causes(self) -> tuple[Trigger, ...]:
        return (STAGE,)

    def effects(self, facts: ActionFacts) -> Effects:
        return Effects((SetStage(self.stage),))


class SetStageStep(ActionStep):
    """Set the lifecycle stage of the user."""

    kind = "set_stage"
    rule_type = SetStageRule

    id: StepId
    set_stage: Slug = Field(description="the stage: `activated`")

    def rule(self) -> SetStageRule:
        return SetStageRule(self.set_stage)
