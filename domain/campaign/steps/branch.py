"""The step `branch`: take the case of the first condition that holds."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from domain.campaign.expression_fields import condition
from domain.campaign.schema import DocumentModel, Listed
from domain.campaign.steps.control import ControlStep, RawList, case_lists, lists_beside, text_at
from domain.campaign.steps.model import StepId
from domain.conditions.expressions import ExpressionScope
from domain.document.raw_values import list_at
from domain.document.yaml_source import Path

if TYPE_CHECKING:
    from domain.campaign.steps.kinds import Steps


class Case(DocumentModel):
    """One case of a branch, taken if its condition is the first that holds."""

    synonyms: ClassVar[Mapping[str, str]] = {"then": "do", "steps": "do", "if": "when", "where": "when"}

    when: Annotated[str, condition(ExpressionScope.BRANCH_WHEN)] = Field(description="a condition in CEL")
    do: "Steps" = Field(description="a list of steps, `[]` for none")


class BranchStep(ControlStep):
    """Take the case of the first condition that holds."""

    kind = "branch"
    synonyms: ClassVar[Mapping[str, str]] = {"else": "otherwise", "default": "otherwise"}

    id: StepId
    branch: Annotated[tuple[Case, ...], Listed, Field(min_length=1)] = Field(
        description="one `- {when: …, do: […]}` for each case"
    )
    otherwise: "Steps" = Field((), description="the steps that follow if no condition holds")

    def lists(self) -> Iterator["Steps"]:
        yield from (*(case.do for case in self.branch), self.otherwise)

    @classmethod
    def raw_lists(cls, step: dict[str, Any]) -> Iterator[RawList]:
        yield from case_lists(("branch",), list_at(step, "branch"))
        yield from lists_beside(step, "otherwise")

    @classmethod
    def never_goes_on(cls, step: dict[str, Any], ends: Callable[[list[Any]], bool]) -> bool:
        lists = dict(cls.raw_lists(step))
        return ("otherwise",) in lists and all(map(ends, lists.values()))

    @classmethod
    def raw_conditions(cls, step: dict[str, Any]) -> Iterator[tuple[Path, str]]:
        for index, case in enumerate(list_at(step, "branch")):
            yield from text_at(("branch", index), case, "when")
