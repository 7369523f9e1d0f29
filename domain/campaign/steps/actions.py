"""The registry of the steps that do one thing. A new kind is a module beside this one and a line here."""

from typing import TYPE_CHECKING, Union

from domain.campaign.steps.action import ActionRule, ActionStep
from domain.campaign.steps.emit_event import EmitEventStep
from domain.campaign.steps.set_stage import SetStageStep
from domain.campaign.steps.update_profile import UpdateProfileStep

ACTIONS: tuple[type[ActionStep], ...] = (
    UpdateProfileStep,
    SetStageStep,
    EmitEventStep,
)

# Type checkers see the base of the registered rules: they cannot read a union made from a tuple.
if TYPE_CHECKING:
    AnyActionRule = ActionRule
else:
    AnyActionRule = Union[tuple(step.rule_type for step in ACTIONS)]  # noqa: UP007
