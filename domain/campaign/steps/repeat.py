"""The step `repeat`: repeat a list of steps."""

from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from domain.campaign.expression_fields import WHICH_EVENTS, condition
from domain.campaign.schema import WHOLE, DocumentModel, Given, Text
from domain.campaign.steps.model import StepId, StepModel, StepSpec
from domain.campaign.time_fields import Duration
from domain.conditions.expressions import ExpressionScope

if TYPE_CHECKING:
    from domain.campaign.steps.kinds import Steps

MAX_ROUNDS = 1_000


class RepeatUntil(DocumentModel):
    """The end of a repetition: an event, or a condition checked before each round."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["event"]}, {"required": ["when"], "properties": {"where": False}}]}
    )

    event: Annotated[Text | None, Given] = Field(None, description="the event's name")
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


class RepeatStep(StepModel):
    """Repeat a list of steps."""

    kind = "repeat"

    id: StepId
    repeat: RepeatSpec
    do: Annotated["Steps", Field(min_length=1)] = Field(description="the steps of one round")
