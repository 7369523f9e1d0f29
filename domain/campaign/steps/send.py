"""The step `send`: send one message."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from domain.campaign.plan import MessagePriority, OnCapped
from domain.campaign.schema import DocumentModel, Given, Slug, quote_value, refuse
from domain.campaign.steps.model import StepId, StepModel, StepSpec
from domain.campaign.time_fields import Duration
from domain.channels.kinds import CHANNELS
from domain.tracking.traits import is_role

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


def _role(value: str) -> str:
    if not is_role(value):
        refuse(f"{quote_value(value)} is not a role", "Write a role as the calls state it: `admin`")
    if value == "*":
        said = "`*` is not a role, and no message goes to members of all roles"
        refuse(said, "Write one role as the calls state it, such as `admin`, and one step for each role")
    return value


class SendTo(DocumentModel):
    """The members of the journey's account who get the message."""

    role: Annotated[str, Field(min_length=1), AfterValidator(_role)] = Field(
        description="the role of the members, as their latest call states it: `admin`", examples=["admin"]
    )


def _to_form(value: Any) -> Any:
    if not isinstance(value, Mapping | SendTo):
        refuse(f"{quote_value(value)} is not a valid `to`", "Write `to: {role: admin}`")
    return value


class SendSpec(StepSpec):
    """One message, if the gate lets it go."""

    kind = "send"
    outside = ("id",)

    channel: ChannelName = Field(description=" or ".join(CHANNELS))
    template: TemplateName = Field(description="the name of a template file, without language and suffix")
    category: Slug = Field(
        "marketing",
        description="what the message is for, as consent and caps have it: a topic, once the deployment has some; "
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
    to: Annotated[SendTo | None, BeforeValidator(_to_form), Given] = Field(
        None,
        description="the members of the journey's account who get it, one message each: `{role: admin}`; "
        "left out, the journey's person gets it",
    )


class SendStep(StepModel):
    """Send one message."""

    kind = "send"

    id: StepId
    send: SendSpec
