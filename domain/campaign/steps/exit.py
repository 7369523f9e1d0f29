"""The step `exit`: end the journey."""

from typing import Annotated

from pydantic import Field

from domain.campaign.schema import Given, Slug
from domain.campaign.steps.model import StepId, StepModel


class ExitStep(StepModel):
    """End the journey."""

    kind = "exit"

    id: Annotated[StepId | None, Given] = Field(
        None, description="optional; by default the step is named after its place"
    )
    exit: Slug = Field(description="the outcome: `engaged`")
