"""The steps that authors write.

A kind of step is a model here or in `single_steps`, listed in STEP_KINDS and `Step`, and a function in
`domain.campaign.compile`. One that holds lists of steps also says so in `step_lists` and, for plain values, in
`plain_steps`.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema
from typing_extensions import TypeAliasType

from domain.campaign.expression_fields import WHICH_EVENTS, condition
from domain.campaign.schema import SLUG, WHOLE, DocumentModel, Given, Listed, Slug, Text, quote_value, refuse
from domain.campaign.single_steps import (
    STEP_KINDS,
    DelayStep,
    EmitEventStep,
    ExitStep,
    SendStep,
    SetStageStep,
    StepId,
    StepModel,
    StepSpec,
    UpdateProfileStep,
)
from domain.campaign.time_fields import Duration
from domain.conditions.expressions import ExpressionScope
from domain.suggestions import did_you_mean

MAX_ROUNDS = 1_000
MAX_WEIGHT = 1_000_000
# Keys that mean something beside a step, so that no arm can be called so.
RESERVED = ("id", "do", "otherwise", "on_event", "on_timeout", *STEP_KINDS)


class AwaitedEvent(DocumentModel):
    """One of several events, and what follows if it is the first to come."""

    synonyms: ClassVar[Mapping[str, str]] = {"then": "do", "steps": "do"}

    event: Text = Field(description="the event's name")
    where: Annotated[str | None, Given, condition(ExpressionScope.WAIT_WHERE)] = Field(None, description=WHICH_EVENTS)
    do: "Steps" = Field((), description="the steps that follow")


class WaitSpec(StepSpec):
    """One event, or several of which the first counts, and how long it is waited for."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["event"]}, {"required": ["events"], "properties": {"where": False}}]}
    )
    kind = "wait_for"
    outside = ("id", "on_event", "on_timeout")

    event: Annotated[Text | None, Given] = Field(None, description="the event's name")
    where: Annotated[str | None, Given, condition(ExpressionScope.WAIT_WHERE)] = Field(None, description=WHICH_EVENTS)
    events: Annotated[Annotated[tuple[AwaitedEvent, ...], Listed, Field(min_length=1)] | None, Given] = Field(
        None, description="several events instead of one: `- {event: …, do: […]}` for each"
    )
    timeout: Duration = Field(description="how long it is waited for: `1d`")


class WaitStep(StepModel):
    """Wait for an event of the user's, for a time at most."""

    kind = "wait_for"

    id: StepId
    wait_for: WaitSpec
    on_event: "Steps" = Field((), description="the steps that follow when the event has come")
    on_timeout: "Steps" = Field((), description="the steps that follow when it has not")


class Case(DocumentModel):
    """One way of a branch, taken if its condition is the first that holds."""

    synonyms: ClassVar[Mapping[str, str]] = {"then": "do", "steps": "do", "if": "when", "where": "when"}

    when: Annotated[str, condition(ExpressionScope.BRANCH_WHEN)] = Field(description="a condition in CEL")
    do: "Steps" = Field(description="a list of steps, `[]` for none")


class BranchStep(StepModel):
    """Go the way of the first condition that holds."""

    kind = "branch"
    synonyms: ClassVar[Mapping[str, str]] = {"else": "otherwise", "default": "otherwise"}

    id: StepId
    branch: Annotated[tuple[Case, ...], Listed, Field(min_length=1)] = Field(
        description="one `- {when: …, do: […]}` for each way"
    )
    otherwise: "Steps" = Field((), description="the steps that follow where no condition holds")


class SplitSpec(StepSpec):
    """The arms and their weights. The same seed and weights send a person the same way in every campaign."""

    kind = "split"
    outside = ("id",)

    seed: Annotated[Text | None, Given] = Field(
        None, description="what the arms are drawn by, beside the person; left out, the campaign's and the step's names"
    )
    arms: Annotated[
        dict[Slug, Annotated[int, Field(ge=0, le=MAX_WEIGHT), WHOLE]],
        Field(min_length=2),
        WithJsonSchema(
            {
                "type": "object",
                "minProperties": 2,
                "propertyNames": {"pattern": SLUG, "maxLength": 64, "not": {"enum": [*RESERVED]}},
                "additionalProperties": {"type": "integer", "minimum": 0, "maximum": MAX_WEIGHT},
            }
        ),
    ] = Field(description="the weight of each arm: `{discount: 45, plain: 45, holdout: 10}`")


class SplitStep(StepModel):
    """Send people different ways, by chance that is stable for each.

    The steps of each arm stand beside `split`, under the name of the arm.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: "dict[str, Steps]"
    kind = "split"

    id: StepId
    split: SplitSpec

    def arm(self, name: str) -> "Steps":
        """The steps of an arm."""
        return self.__pydantic_extra__[name]


class RepeatUntil(DocumentModel):
    """What ends a repetition: an event, at once, or a condition that holds before a round begins."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["event"]}, {"required": ["when"], "properties": {"where": False}}]}
    )

    event: Annotated[Text | None, Given] = Field(None, description="the event's name")
    where: Annotated[str | None, Given, condition(ExpressionScope.WAIT_WHERE)] = Field(None, description=WHICH_EVENTS)
    when: Annotated[str | None, Given, condition(ExpressionScope.BRANCH_WHEN)] = Field(
        None, description="a condition in CEL, looked at before each round"
    )


class RepeatSpec(StepSpec):
    """How often a list of steps is gone through, and how long lies between two rounds."""

    kind = "repeat"
    outside = ("id", "do")

    every: Duration = Field(description="how long lies between the end of a round and the next: `1d`")
    times: Annotated[Annotated[int, Field(ge=2, le=MAX_ROUNDS), WHOLE] | None, Given] = Field(
        None, description="the most rounds; left out, `every` is 1h at least"
    )
    until: Annotated[RepeatUntil | None, Given] = Field(
        None, description="what ends it: `{event: …}` at once, or `{when: …}` before a round begins"
    )


class RepeatStep(StepModel):
    """Go through a list of steps again and again."""

    kind = "repeat"

    id: StepId
    repeat: RepeatSpec
    do: Annotated["Steps", Field(min_length=1)] = Field(description="the steps of one round")


def step_kind(step: Any) -> str | None:
    """The key that says what a step does; None for what is no step. Takes a model or plain data."""
    if isinstance(step, StepModel):
        return step.kind
    if not isinstance(step, Mapping):
        return None
    # The arms of a split stand beside it: whatever they are called, it is a split.
    return "split" if "split" in step else next((kind for kind in STEP_KINDS if kind in step), None)


def _with_kind(step: Any) -> Any:
    if step_kind(step) is not None:
        return step
    if not isinstance(step, Mapping):
        refuse(f"{quote_value(step)} is not a step", "Write a mapping: `- {id: cool-off, delay: 30m}`")
    unknown = [key for key in step if key not in RESERVED]
    said = f"`{unknown[0]}` is not something a step can do" if unknown else "the step does nothing"
    refuse(said, did_you_mean(unknown[0] if unknown else "", STEP_KINDS, "A step does one of"))


# A type of its own, so that the JSON Schema names it once.
Step = TypeAliasType(
    "Step",
    Annotated[
        Annotated[DelayStep, Tag("delay")]
        | Annotated[SendStep, Tag("send")]
        | Annotated[WaitStep, Tag("wait_for")]
        | Annotated[BranchStep, Tag("branch")]
        | Annotated[SplitStep, Tag("split")]
        | Annotated[RepeatStep, Tag("repeat")]
        | Annotated[UpdateProfileStep, Tag("update_profile")]
        | Annotated[SetStageStep, Tag("set_stage")]
        | Annotated[EmitEventStep, Tag("emit_event")]
        | Annotated[ExitStep, Tag("exit")],
        Discriminator(step_kind),
        BeforeValidator(_with_kind),
    ],
)
Steps = Annotated[tuple[Step, ...], Listed]


def step_lists(step: Step) -> Iterator[Steps]:
    """The lists of steps that a step holds."""
    match step:
        case WaitStep():
            yield from (awaited.do for awaited in step.wait_for.events or ())
            yield from (step.on_event, step.on_timeout)
        case BranchStep():
            yield from (*(case.do for case in step.branch), step.otherwise)
        case SplitStep():
            yield from (step.arm(name) for name in step.split.arms)
        case RepeatStep():
            yield step.do
        case _:
            return


for _model in (AwaitedEvent, WaitSpec, WaitStep, Case, BranchStep, SplitStep, RepeatStep):
    _model.model_rebuild()
