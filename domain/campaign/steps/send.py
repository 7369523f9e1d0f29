"""The step `send`: send one message."""

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from domain.campaign.plan import MessagePriority, OnCapped
from domain.campaign.schema import Slug, quote_value, refuse
from domain.campaign.steps.model import StepId, StepModel, StepSpec
from domain.campaign.time_fields import Duration
from domain.channels.kinds import CHANNELS

# Type checkers cannot read the names of the registered channels.
if TYPE_CHECKING:
    ChannelName = str
else:
    ChannelName = Literal[tuple(CHANNELS)]

TEMPLATE_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"


def _template_name(value: str) -> str:
    if not re.fullmatch(TEMPLATE_NAME, value):
        name = value.rpartition("/")[2].partition(".")[0]
        refuse(f"{quote_value(value)} is not a template's name", f"Without folder, language and suffix: `{name}`")
    return value


TemplateName = Annotated[
    str,
    Field(min_length=1, max_length=200, json_schema_extra={"pattern": f"^{TEMPLATE_NAME}$"}),
    AfterValidator(_template_name),
]


class SendSpec(StepSpec):
    """One message, if the gate lets it go."""

    kind = "send"
    outside = ("id",)

    channel: ChannelName = Field(description=" or ".join(CHANNELS))
    template: TemplateName = Field(description="the name of a template file, without language and suffix")
    category: Slug = Field(
        "marketing",
        description="what the message is for, as consent and caps have it; "
        "`transactional` passes consent, send window and caps",
    )
    priority: MessagePriority = Field("normal", description="`high` passes the frequency caps")
    expires: Duration = Field(
        7 * 86_400, description="it goes no later than this after the step was reached: `6h`", examples=["6h"]
    )
    on_capped: OnCapped = Field(
        "skip",
        description="what to do when a cap is full: go on without it, wait for room, or end the journey",
    )


class SendStep(StepModel):
    """Send one message."""

    kind = "send"

    id: StepId
    send: SendSpec
