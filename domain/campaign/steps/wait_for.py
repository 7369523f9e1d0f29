"""The step `wait_for`: wait for an event of the user, with a timeout."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import ConfigDict, Field

from domain.campaign.expression_fields import WHICH_EVENTS, condition
from domain.campaign.schema import DocumentModel, Given, Listed, Text
from domain.campaign.steps.model import StepId, StepModel, StepSpec
from domain.campaign.time_fields import Duration
from domain.conditions.expressions import ExpressionScope

if TYPE_CHECKING:
    from domain.campaign.steps.kinds import Steps


class AwaitedEvent(DocumentModel):
    """One of several events, and the steps that follow if it comes first."""

    synonyms: ClassVar[Mapping[str, str]] = {"then": "do", "steps": "do"}

    event: Text = Field(description="the event's name")
    where: Annotated[str | None, Given, condition(ExpressionScope.WAIT_WHERE)] = Field(None, description=WHICH_EVENTS)
    do: "Steps" = Field((), description="the steps that follow")


class WaitSpec(StepSpec):
    """One event, or several of which the first counts, and the timeout."""

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
    timeout: Duration = Field(description="how long to wait: `1d`")


class WaitStep(StepModel):
    """Wait for an event of the user, with a timeout."""

    kind = "wait_for"

    id: StepId
    wait_for: WaitSpec
    on_event: "Steps" = Field((), description="the steps that follow when the event has come")
    on_timeout: "Steps" = Field((), description="the steps that follow when it has not")
