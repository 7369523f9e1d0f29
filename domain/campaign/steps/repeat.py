"""The step `repeat`: go through a list of steps again and again."""

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
