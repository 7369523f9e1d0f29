"""The step `delay`: rest for a time, until a local time of day, or until a date."""

from domain.campaign.delay_fields import DelayField
from domain.campaign.steps.model import StepId, StepModel


class DelayStep(StepModel):
    """Rest for a time, until a local time of day, or until a date."""

    kind = "delay"

    id: StepId
    delay: DelayField
