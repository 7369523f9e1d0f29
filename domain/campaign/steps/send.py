"""The step `send`: send one message."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from domain.campaign.plan import PREFERRED, MessagePriority, OnCapped, Reaction
from domain.campaign.schema import DocumentModel, Given, Slug, quote_value, refuse
from domain.campaign.steps.model import StepId, StepModel, StepSpec
from domain.campaign.time_fields import Duration
from domain.channels.kinds import CHANNELS
from domain.suggestions import did_you_mean
from domain.tracking.traits import is_role

# Type checkers cannot read the names of the registered channels.
if TYPE_CHECKING:
    ChannelName = str
else:
    ChannelName = Literal[tuple(CHANNELS)]

# The steps that a fallback adds: the rest after a message, and the next message.
WAIT, FALLBACK = "wait", "fallback"
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


def _channels(value: Any) -> tuple[str, ...]:
    """Read one channel, several in order, or `preferred`, alone or before others."""
    said = "Write one channel, several as `[webhook, email]`, or `preferred`"
    listed = list(value) if isinstance(value, list | tuple) else [value]
    if not listed:
        refuse("the list is empty", said)
    for item in listed:
        if not isinstance(item, str):
            refuse(f"{quote_value(item)} is not a channel", said)
        if item not in (*CHANNELS, PREFERRED):
            refuse(f"`{item}` is not a channel", did_you_mean(item, [*CHANNELS, PREFERRED], "There are"))
    if (twice := next((item for item in listed if listed.count(item) > 1), None)) is not None:
        refuse(f"`{twice}` stands there twice", "Name each channel once")
    if PREFERRED in listed[1:]:
        refuse(f"`{PREFERRED}` stands behind a channel", f"Write `{PREFERRED}` first: it puts the others in order")
    return tuple(listed)


_LIST_SCHEMA = {"type": "array", "items": {"enum": [*CHANNELS]}, "minItems": 1, "uniqueItems": True}
Channels = Annotated[
    tuple[str, ...],
    BeforeValidator(_channels),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": [*CHANNELS, PREFERRED]},
                _LIST_SCHEMA,
                {**_LIST_SCHEMA, "prefixItems": [{"const": PREFERRED}]},
            ]
        }
    ),
]


def raw_choice(value: Any) -> list[str] | None:
    """Return the channels that a raw value names; None if it leaves no choice.

    An empty list leaves it to the files of the template.
    """
    if value == PREFERRED:
        return []
    if not isinstance(value, list) or (len(value) < 2 and PREFERRED not in value):
        return None
    return [one for one in value if isinstance(one, str) and one != PREFERRED]


class FallbackSpec(DocumentModel):
    """A message by the next channel, unless the person reacts to the first."""

    after: Duration = Field(description="the time to react in: `6h`", examples=["6h"])
    unless: Reaction = Field(description="the reaction that makes it needless: delivered, opened or clicked")


class SendSpec(StepSpec):
    """One message, if the gate lets it go."""

    kind = "send"
    outside = ("id",)

    channel: Channels = Field(
        description=f"{' or '.join(CHANNELS)}; several, of which the first goes that reaches the person; "
        "or `preferred`, for the one to which they react most",
        examples=["email", ["webhook", "email"]],
    )
    template: TemplateName = Field(
        description="the name of a template file, without language and suffix; "
        "with several channels, of a file for each: NAME.email.liquid"
    )
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
    at_once: bool = Field(
        False, description="a message that would have to wait, for a window, a cap or a hold, does not go"
    )
    fallback: Annotated[FallbackSpec | None, Given] = Field(
        None,
        description="a message by the next channel, if there is no reaction in time: `{after: 6h, unless: opened}`",
    )
    to: Annotated[SendTo | None, BeforeValidator(_to_form), Given] = Field(
        None,
        description="the members of the journey's account who get it, one message each: `{role: admin}`; "
        "left out, the journey's person gets it",
    )

    @property
    def is_preferred(self) -> bool:
        """Whether the channels are ordered by the person's reactions."""
        return self.channel[0] == PREFERRED

    @property
    def named_channels(self) -> tuple[str, ...]:
        """The channels that the author names, in their order."""
        return self.channel[1:] if self.is_preferred else self.channel


class SendStep(StepModel):
    """Send one message."""

    kind = "send"

    id: StepId
    send: SendSpec
