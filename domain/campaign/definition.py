"""The campaign document as authors write it.

A kind of step is a model here, listed in STEP_KINDS and `Step`, and a function in `domain.campaign.compile`. One that
holds lists of steps also says so in `step_lists`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from domain.campaign.schema import Document, Duration, Given, Instant, Listed, Slug, Text, refuse, shown
from domain.campaign.suggestions import did_you_mean
from domain.conditions.expressions import ConditionError, Place, compile_condition, compile_key

ChannelName = Literal["email", "webhook"]
CHANNELS: tuple[str, ...] = get_args(ChannelName)


def _template_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", value):
        name = value.rpartition("/")[2].partition(".")[0]
        refuse(f"{shown(value)} is not a template's name", f"Without folder, language and suffix: `{name}`")
    return value


TemplateName = Annotated[Text, AfterValidator(_template_name)]


def _checked(compile_expression: Callable[[str], object]) -> AfterValidator:
    def check(text: str | None) -> str | None:
        if text is not None:
            try:
                compile_expression(text)
            except ConditionError as error:
                refuse(error.message, error.suggestion)
        return text

    return AfterValidator(check)


def _condition(place: Place) -> AfterValidator:
    return _checked(lambda text: compile_condition(text, place))


class Schedule(Document):
    """When users may enter. `at_end` says what becomes of those inside when it ends: `drain` lets them finish."""

    starts_at: Annotated[Instant | None, Given] = None
    ends_at: Annotated[Instant | None, Given] = None
    at_end: Literal["drain"] = "drain"

    @model_validator(mode="after")
    def _ordered(self) -> "Schedule":
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            refuse("`ends_at` is not after `starts_at`", "Move one of them")
        return self


class ReentryAfter(Document):
    """The next journey of the same user and key may start this long after the last one was entered."""

    after: Duration


def _reentry_form(value: Any) -> Any:
    if not isinstance(value, Mapping | ReentryAfter) and value not in ("never", "always"):
        refuse(f"{shown(value)} is no rule of reentry", "Write `never`, `always` or `{after: 7d}`")
    return value


Reentry = Annotated[
    Annotated[Literal["never", "always"], Tag("word")] | Annotated[ReentryAfter, Tag("after")],
    Discriminator(lambda value: "word" if isinstance(value, str) else "after"),
    BeforeValidator(_reentry_form),
]


class Entry(Document):
    """What starts a journey. A user is never in the same campaign twice at once under the same key."""

    event: Text
    where: Annotated[str | None, Given, _condition(Place.ENTRY_WHERE)] = None
    key: Annotated[str | None, Given, _checked(compile_key)] = None
    reentry: Reentry = "always"


class ExitRule(Document):
    """An event that ends the journey, wherever it is."""

    event: Text
    where: Annotated[str | None, Given, _condition(Place.EXIT_WHERE)] = None


class SendSpec(Document):
    """One message. It goes no later than `expires` after the step was reached."""

    channel: ChannelName = Field(description=" or ".join(CHANNELS))
    template: TemplateName = Field(description="the name of a template file, without language and suffix")
    category: Slug = "marketing"
    expires: Duration = 7 * 86_400
    on_capped: Literal["skip", "wait", "exit"] = "skip"


class WaitSpec(Document):
    """The event waited for and how long."""

    event: Text
    where: Annotated[str | None, Given, _condition(Place.WAIT_WHERE)] = None
    timeout: Duration


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
    delay: Duration


class SendStep(StepModel):
    id: Slug
    send: SendSpec


class WaitStep(StepModel):
    id: Slug
    wait_for: WaitSpec
    on_event: "Steps" = ()
    on_timeout: "Steps" = ()


class Case(Document):
    """One way of a branch, taken if its condition is the first that holds."""

    when: Annotated[str, _condition(Place.BRANCH_WHEN)] = Field(description="a condition in CEL")
    do: "Steps" = Field(description="a list of steps, `[]` for none")


class BranchStep(StepModel):
    id: Slug
    branch: Annotated[tuple[Case, ...], Listed, Field(min_length=1)]
    otherwise: "Steps" = ()


class ExitStep(StepModel):
    """The end of the journey. Its id may be left out: it is then named after its place."""

    id: Annotated[Slug | None, Given] = None
    exit: Slug


STEP_KINDS: dict[str, type[StepModel]] = {
    "delay": DelayStep,
    "send": SendStep,
    "wait_for": WaitStep,
    "branch": BranchStep,
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
    | Annotated[ExitStep, Tag("exit")],
    Discriminator(step_kind),
    BeforeValidator(_with_kind),
]
Steps = Annotated[tuple[Step, ...], Listed]


def step_lists(step: Step) -> Iterator[Steps]:
    """The lists of steps that a step holds."""
    match step:
        case WaitStep():
            yield from (step.on_event, step.on_timeout)
        case BranchStep():
            yield from (*(case.do for case in step.branch), step.otherwise)
        case _:
            return


class Campaign(Document):
    """A whole campaign document."""

    key: Slug = Field(description="lowercase letters, digits and hyphens; the campaign's name for machines")
    name: Text = Field(description="the campaign's name for people")
    stage: Annotated[Text | None, Given] = None
    schedule: Schedule = Schedule()
    entry: Entry = Field(description="the event that starts a journey: `{event: Cart Abandoned}`")
    exit: Annotated[Annotated[tuple[ExitRule, ...], Listed, Field(min_length=1)] | None, Given] = None
    steps: Annotated[Steps, Field(min_length=1)] = Field(description="a list of steps")


for _model in (WaitStep, Case, BranchStep, Campaign):
    _model.model_rebuild()
