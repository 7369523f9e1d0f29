"""The registry of actions. A new kind is a module beside this one and a line here."""

from domain.campaign.steps.action import ActionStep
from domain.campaign.steps.audience import AudienceStep
from domain.campaign.steps.emit_event import EmitEventStep
from domain.campaign.steps.set_stage import SetStageStep
from domain.campaign.steps.update_profile import UpdateProfileStep

ACTIONS: tuple[type[ActionStep], ...] = (
    UpdateProfileStep,
    SetStageStep,
    AudienceStep,
    EmitEventStep,
)
