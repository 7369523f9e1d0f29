"""The steps that authors write.

A kind of step is a model here, listed in STEP_KINDS and `Step`, and a function in `domain.campaign.compile`. One that
holds lists of steps also says so in `step_lists`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from domain.campaign.delay_fields import Delay
from domain.campaign.expression_fields import Values, condition
from domain.campaign.schema import Document, Duration, Given, Listed, Slug, Text, refuse, shown
from domain.campaign.suggestions import did_you_mean
from domain.conditions.expressions import Place

ChannelName = Literal["email", "webhook"]
CHANNELS: tuple[str, ...] = get_args(ChannelName)


def _template_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", value):
        name = value.rpartition("/")[2].partition(".")[0]
        refuse(f"{shown(value)} is not a template's name", f"Without folder, language and suffix: `{name}`")
    return value


TemplateName = Annotated[Text, AfterValidator(_template_name)]


class SendSpec(Document):
    """One message. It goes no later than `expires` after the step was reached.

    One of high priority passes the frequency caps; a transactional one passes the send window as well.
    """

    channel: ChannelName = Field(description=" or ".join(CHANNELS))
    template: TemplateName = Field(description="the name of a template file, without language and suffix")
    category: Slug = "marketing"
    priority: Literal["normal", "high"] = "normal"
    expires: Duration = 7 * 86_400
    on_capped: Literal["skip", "wait", "exit"] = "skip"


class AwaitedEvent(Document):
    """One of several events waited for, and what follows if it is the first to come."""

    event: Text
    where: Annotated[str | None, Given, condition(Place.WAIT_WHERE)] = None
    do: "Steps" = ()


class WaitSpec(Document):
    """The event waited for, or several of which the first counts, and how long."""

    event: Annotated[Text | None, Given] = None
    where: Annotated[str | None, Given, condition(Place.WAIT_WHERE)] = None
    events: Annotated[Annotated[tuple[AwaitedEvent, ...], Listed, Field(min_length=1)] | None, Given] = None
    timeout: Duration

    @model_validator(mode="after")
    def _one_form(self) -> "WaitSpec":
        if (self.event is None) == (self.events is None):
            said = "waits for nothing" if self.event is None else "has both `event` and `events`"
            refuse(said, "Write `event: …`, or `events:` with one `- {event: …, do: […]}` for each of several")
        if self.events is not None and self.where is not None:
            refuse("`where` cannot stand beside `events`", "Write it within the event that it belongs to")
        return self


class RepeatUntil(Document):
    """What ends a repetition: an event, at once, or a condition that holds before a round begins."""

    event: Annotated[Text | None, Given] = None
    where: Annotated[str | None, Given, condition(Place.WAIT_WHERE)] = None
    when: Annotated[str | None, Given, condition(Place.BRANCH_WHEN)] = None

    @model_validator(mode="after")
    def _one_form(self) -> "RepeatUntil":
        if (self.event is None) == (self.when is None):
            refuse("needs an event or a condition, and only one of them", "Write `{event: …}` or `{when: …}`")
        if self.when is not None and self.where is not None:
            refuse("`where` belongs to an event", "Put all of the condition into `when`")
        return self


class RepeatSpec(Document):
    """How often a list of steps is gone through, and how long lies between two rounds."""

    every: Duration
    times: Annotated[int | None, Given, Field(ge=2, le=1_000, description="the most rounds")] = None
    until: Annotated[RepeatUntil | None, Given] = None


class SplitSpec(Document):
    """The arms and their weights. The same seed and weights send a person the same way in every campaign."""

    seed: Annotated[Text | None, Given] = None
    arms: Annotated[
        dict[Slug, Annotated[int, Field(ge=0, le=1_000_000)]],
        Field(description="the weight of each arm: `{discount: 45, plain: 45, holdout: 10}`"),
    ]

    @model_validator(mode="after")
    def _has_weight(self) -> "SplitSpec":
        if len(self.arms) < 2 or not sum(self.arms.values()):
            refuse("a split has at least two arms, one of them with a weight", "Write `arms: {a: 50, b: 50}`")
        if reserved := sorted({"id", "split"} & set(self.arms)):
            refuse(f"an arm cannot be called `{reserved[0]}`", "Give it another name")
        return self


class EmitSpec(Document):
    """An event that the journey reports about its user, as if the user's behaviour had been reported."""

    event: Text
    properties: Values | None = None


class StepModel(Document):
    """What the kinds of steps have in common: one key says what the step does."""

    @classmethod
    def about_unknown_key(cls, key: str) -> tuple[str, str]:
        if key not in STEP_KINDS:
            return super().about_unknown_key(key)
        kind = next(kind for kind, model in STEP_KINDS.items() if model is cls)
        return f"`{key}` cannot stand beside `{kind}`", "A step does one thing: make it two steps"


class DelayStep(StepModel):
    id: Slug
    delay: Delay


class SendStep(StepModel):
    id: Slug
    send: SendSpec


class WaitStep(StepModel):
    id: Slug
    wait_for: WaitSpec
    on_event: "Steps" = ()
    on_timeout: "Steps" = ()

    @model_validator(mode="after")
    def _one_place_for_each_way(self) -> "WaitStep":
        if self.wait_for.events is not None and self.on_event:
            refuse("`on_event` cannot stand beside `events`", "Write `do: […]` within each of the events")
        return self


class Case(Document):
    """One way of a branch, taken if its condition is the first that holds."""

    when: Annotated[str, condition(Place.BRANCH_WHEN)] = Field(description="a condition in CEL")
    do: "Steps" = Field(description="a list of steps, `[]` for none")


class BranchStep(StepModel):
    id: Slug
    branch: Annotated[tuple[Case, ...], Listed, Field(min_length=1)]
    otherwise: "Steps" = ()


class SplitStep(StepModel):
    """Each arm's steps stand beside `split`, under the name of the arm."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: "dict[str, Steps]"

    id: Slug
    split: SplitSpec

    @model_validator(mode="after")
    def _arms_have_steps(self) -> "SplitStep":
        arms, given = self.split.arms, self.__pydantic_extra__
        for name in given:
            if name not in arms:
                refuse(f"`{name}` is not an arm of this split", did_you_mean(name, arms, "Arms"))
        for name in arms:
            if name not in given:
                refuse(f"the arm `{name}` has no steps", f"Write `{name}: […]` beside `split`, `[]` for none")
        return self

    def arm(self, name: str) -> "Steps":
        """The steps of an arm."""
        return self.__pydantic_extra__[name]


class RepeatStep(StepModel):
    id: Slug
    repeat: RepeatSpec
    do: Annotated["Steps", Field(min_length=1)] = Field(description="the steps of one round")


def _no_consent(given: dict[str, Any]) -> dict[str, Any]:
    if "consent" in given:
        refuse("`consent` is the person's own", "Report it with an identify when they have said so")
    return given


class UpdateProfileStep(StepModel):
    id: Slug
    update_profile: Annotated[Values, AfterValidator(_no_consent)]


class SetStageStep(StepModel):
    id: Slug
    set_stage: Slug


class EmitEventStep(StepModel):
    id: Slug
    emit_event: EmitSpec


class ExitStep(StepModel):
    """The end of the journey. Its id may be left out: it is then named after its place."""

    id: Annotated[Slug | None, Given] = None
    exit: Slug


STEP_KINDS: dict[str, type[StepModel]] = {
    "delay": DelayStep,
    "send": SendStep,
    "wait_for": WaitStep,
    "branch": BranchStep,
    "split": SplitStep,
    "repeat": RepeatStep,
    "update_profile": UpdateProfileStep,
    "set_stage": SetStageStep,
    "emit_event": EmitEventStep,
    "exit": ExitStep,
}


def step_kind(step: Any) -> str | None:
    """The key that says what a step does; None for what is no step. Takes a model or plain data."""
    if isinstance(step, StepModel):
        return next((kind for kind, model in STEP_KINDS.items() if isinstance(step, model)), None)
    if isinstance(step, Mapping):
        return next((kind for kind in STEP_KINDS if kind in step), None)
    return None


def _with_kind(step: Any) -> Any:
    if step_kind(step) is not None:
        return step
    if not isinstance(step, Mapping):
        refuse(f"{shown(step)} is not a step", "Write a mapping: `- {id: cool-off, delay: 30m}`")
    named = {name for model in STEP_KINDS.values() for name in model.model_fields}
    unknown = [key for key in step if key not in named]
    said = f"`{unknown[0]}` is not something a step can do" if unknown else "the step does nothing"
    refuse(said, did_you_mean(unknown[0] if unknown else "", STEP_KINDS, "A step does one of"))


Step = Annotated[
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
]
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
