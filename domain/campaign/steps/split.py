"""The step `split`: draw an arm for each person; the draw is stable."""

from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field, WithJsonSchema

from domain.campaign.schema import SLUG, WHOLE, Given, Slug, Text
from domain.campaign.steps.model import StepId, StepModel, StepSpec
from domain.campaign.steps.names import RESERVED

if TYPE_CHECKING:
    from domain.campaign.steps.kinds import Steps

MAX_WEIGHT = 1_000_000


class SplitSpec(StepSpec):
    """The arms and their weights. The same seed and weights draw the same arm."""

    kind = "split"
    outside = ("id",)

    seed: Annotated[Text | None, Given] = Field(
        None,
        description="the seed of the draw, with the person; by default the names of campaign and step",
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
    """Draw an arm for each person; the draw is stable.

    The steps of each arm stand beside `split`, under the name of the arm.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: "dict[str, Steps]"
    kind = "split"

    id: StepId
    split: SplitSpec

    def arm(self, name: str) -> "Steps":
        """Return the steps of an arm."""
        return self.__pydantic_extra__[name]
