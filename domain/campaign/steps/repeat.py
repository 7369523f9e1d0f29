"""The step `repeat`: repeat a list of steps."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field

from domain.campaign.durations import DurationError, format_duration, parse_duration
from domain.campaign.expression_fields import WHICH_EVENTS, condition
from domain.campaign.schema import WHOLE, Given
from domain.campaign.steps.control import ControlStep, RawList, lists_beside, text_at
from domain.campaign.steps.model import StepId, StepSpec
from domain.campaign.time_fields import Duration
from domain.campaign.trigger_fields import TRIGGER_KEYS, TriggerFields, one_trigger
from domain.conditions.expressions import ExpressionScope
from domain.document.raw_values import list_at, mapping_at
from domain.document.yaml_source import Path

if TYPE_CHECKING:
    from domain.campaign.steps.kinds import Steps

MAX_ROUNDS = 1_000
# A repetition without an end costs without an end: one round an hour is 8,760 a year for each person.
MIN_EVERY = 3_600


class RepeatUntil(TriggerFields):
    """The end of a repetition: an event, or a condition checked before each round."""

    model_config = ConfigDict(json_schema_extra=one_trigger({"required": ["when"], "properties": {"where": False}}))

    where: Annotated[str | None, Given, condition(ExpressionScope.WAIT_WHERE)] = Field(None, description=WHICH_EVENTS)
    when: Annotated[str | None, Given, condition(ExpressionScope.BRANCH_WHEN)] = Field(
        None, description="a condition in CEL, checked before each round"
    )


class RepeatSpec(StepSpec):
    """How often a list of steps is repeated, and the time between two rounds."""

    kind = "repeat"
    outside = ("id", "do")

    every: Duration = Field(description="the time from the end of a round to the next: `1d`")
    times: Annotated[Annotated[int, Field(ge=2, le=MAX_ROUNDS), WHOLE] | None, Given] = Field(
        None, description="the most rounds; without it, `every` is at least 1h"
    )
    until: Annotated[RepeatUntil | None, Given] = Field(
        None, description="what ends it: `{event: …}` at once, or `{when: …}` before a round begins"
    )


class RepeatStep(ControlStep):
    """Repeat a list of steps."""

    kind = "repeat"

    id: StepId
    repeat: RepeatSpec
    do: Annotated["Steps", Field(min_length=1)] = Field(description="the steps of one round")

    def lists(self) -> Iterator["Steps"]:
        yield self.do

    @classmethod
    def raw_lists(cls, step: dict[str, Any]) -> Iterator[RawList]:
        yield from lists_beside(step, "do")

    @classmethod
    def never_goes_on(cls, step: dict[str, Any], ends: Callable[[list[Any]], bool]) -> bool:
        return repeats_forever(step) or ("until" not in mapping_at(step, "repeat") and ends(list_at(step, "do")))

    @classmethod
    def raw_events(cls, step: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
        yield ("repeat", "until"), mapping_at(mapping_at(step, "repeat"), "until")

    @classmethod
    def raw_conditions(cls, step: dict[str, Any]) -> Iterator[tuple[Path, str]]:
        yield from text_at(("repeat", "until"), mapping_at(step, "repeat").get("until"), "when")

    @classmethod
    def form_problems(cls, step: dict[str, Any]) -> Iterator[tuple[Path, str, str]]:
        repeat = mapping_at(step, "repeat")
        every = _seconds(repeat.get("every"))
        if every is not None and 0 < every < MIN_EVERY and "times" not in repeat:
            said = f"every {format_duration(every)} without end is too often"
            remedy = f"Add `times: …`, or write `every: {format_duration(MIN_EVERY)}` or longer"
            yield ("repeat", "every"), said, remedy
        if not isinstance(until := repeat.get("until"), dict):
            return
        if any(key in until for key in TRIGGER_KEYS) == ("when" in until):
            said = "it needs an event or a condition, and only one of them"
            yield ("repeat", "until"), said, "Write `{event: …}`, which ends it at once, or `{when: …}`"
        elif {"when", "where"} <= set(until):
            remedy = "Put all of the condition into `when`"
            yield ("repeat", "until", "where"), "`where` belongs to an event", remedy


def repeats_forever(step: Any) -> bool:
    """Whether nothing ends the repetition of a raw step."""
    if not isinstance(step, dict) or not isinstance(step.get("repeat"), dict):
        return False
    return not {"times", "until"} & set(step["repeat"])


def _seconds(value: Any) -> int | None:
    with suppress(DurationError):
        return parse_duration(value) if isinstance(value, str) else None
    return None
