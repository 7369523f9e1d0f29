"""The steps that hold no others, and what all steps have in common."""

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from domain.campaign.delay_fields import DelayField
from domain.campaign.expression_fields import Values
from domain.campaign.schema import DocumentModel, Given, Slug, Text, quote_value, refuse
from domain.campaign.time_fields import Duration
from domain.channels.kinds import CHANNELS

# Type checkers cannot read the names of the registered channels.
if TYPE_CHECKING:
    ChannelName = str
else:
    ChannelName = Literal[tuple(CHANNELS)]

# One of these keys says what a step does.
STEP_KINDS = (
    *("delay", "send", "wait_for", "branch", "split", "repeat"),
    *("update_profile", "set_stage", "emit_event", "exit"),
)

TEMPLATE_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
StepId = Annotated[Slug, Field(description="the step's name: one of its own in the campaign")]


class StepModel(DocumentModel):
    """A step. One of its keys, its kind, says what it does; `beside` are those that stand beside the kind."""

    kind: ClassVar[str]

    @classmethod
    def about_unknown_key(cls, key: str) -> tuple[str, str]:
        if key in STEP_KINDS:
            return f"`{key}` cannot stand beside `{cls.kind}`", "A step does one thing: make it two steps"
        within = cls.model_fields[cls.kind].annotation
        if isinstance(within, type) and issubclass(within, StepSpec) and key in within.named_fields():
            return f"`{key}` cannot stand beside `{cls.kind}`", f"Move it into it: `{cls.kind}: {{{key}: …}}`"
        return super().about_unknown_key(key)


class StepSpec(DocumentModel):
    """What stands within the key that says what a step does. `outside` names what stands beside that key."""

    kind: ClassVar[str]
    outside: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def about_unknown_key(cls, key: str) -> tuple[str, str]:
        if key in cls.outside:
            return f"`{key}` cannot stand within `{cls.kind}`", f"Move it out of it, beside `id` and `{cls.kind}`"
        return super().about_unknown_key(key)


class DelayStep(StepModel):
    """Rest for a time, until a local time of day, or until a date."""

    kind = "delay"

    id: StepId
    delay: DelayField


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
    priority: Literal["normal", "high"] = Field("normal", description="`high` passes the frequency caps")
    expires: Duration = Field(
        7 * 86_400, description="it goes no later than this after the step was reached: `6h`", examples=["6h"]
    )
    on_capped: Literal["skip", "wait", "exit"] = Field(
        "skip",
        description="what to do when a cap is full: go on without it, wait for room, or end the journey",
    )


class SendStep(StepModel):
    """Send one message."""

    kind = "send"

    id: StepId
    send: SendSpec


def _no_consent(given: dict[str, Any]) -> dict[str, Any]:
    if "consent" in given:
        refuse("`consent` is the person's own", "Report it with an identify when they have said so")
    return given


class UpdateProfileStep(StepModel):
    """Set traits of the user's profile."""

    kind = "update_profile"

    id: StepId
    update_profile: Annotated[Values, AfterValidator(_no_consent)] = Field(
        description="the traits by name: texts, numbers, true, false, lists of those, or `{cel: …}`",
        json_schema_extra={"propertyNames": {"not": {"const": "consent"}}},
    )


class SetStageStep(StepModel):
    """Set the lifecycle stage of the user."""

    kind = "set_stage"

    id: StepId
    set_stage: Slug = Field(description="the stage: `activated`")


class EmitSpec(StepSpec):
    """An event that the journey reports about its user, as if the user's behaviour had been reported."""

    kind = "emit_event"
    outside = ("id",)

    event: Text = Field(description="the event's name")
    properties: Annotated[Values | None, Given] = Field(
        None, description="the event's properties by name: texts, numbers, true, false, lists of those, or `{cel: …}`"
    )


class EmitEventStep(StepModel):
    """Report an event about the user. It may start, end and move journeys, also of this campaign."""

    kind = "emit_event"

    id: StepId
    emit_event: EmitSpec


class ExitStep(StepModel):
    """End the journey."""

    kind = "exit"

    id: Annotated[StepId | None, Given] = Field(
        None, description="may be left out: the step is then named after its place"
    )
    exit: Slug = Field(description="the outcome: `engaged`")
