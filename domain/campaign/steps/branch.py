"""The step `branch`: take the case of the first condition that holds."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from domain.campaign.expression_fields import condition
from domain.campaign.schema import DocumentModel, Listed
from domain.campaign.steps.model import StepId, StepModel
from domain.conditions.expressions import ExpressionScope

if TYPE_CHECKING:
    from domain.campaign.steps.kinds import Steps


class Case(DocumentModel):
    """One case of a branch, taken if its condition is the first that holds."""

    synonyms: ClassVar[Mapping[str, str]] = {"then": "do", "steps": "do", "if": "when", "where": "when"}

    when: Annotated[str, condition(ExpressionScope.BRANCH_WHEN)] = Field(description="a condition in CEL")
    do: "Steps" = Field(description="a list of steps, `[]` for none")


class BranchStep(StepModel):
    """Take the case of the first condition that holds."""

    kind = "branch"
    synonyms: ClassVar[Mapping[str, str]] = {"else": "otherwise", "default": "otherwise"}

    id: StepId
    branch: Annotated[tuple[Case, ...], Listed, Field(min_length=1)] = Field(
        description="one `- {when: …, do: […]}` for each case"
    )
    otherwise: "Steps" = Field((), description="the steps that follow if no condition holds")
