"""All kinds of steps."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Union

from pydantic import BeforeValidator, Discriminator, Tag
from typing_extensions import TypeAliasType

from domain.campaign.durations import DurationError, parse_duration
from domain.campaign.schema import Listed, quote_value, refuse
from domain.campaign.steps.action import ActionStep
from domain.campaign.steps.actions import ACTIONS
from domain.campaign.steps.branch import BranchStep, Case
from domain.campaign.steps.control import ControlStep
from domain.campaign.steps.delay import DelayStep
from domain.campaign.steps.exit import ExitStep
from domain.campaign.steps.model import StepModel
from domain.campaign.steps.names import RESERVED, STEP_KINDS
from domain.campaign.steps.repeat import RepeatStep
from domain.campaign.steps.send import SendStep
from domain.campaign.steps.split import SplitStep
from domain.campaign.steps.wait_for import AwaitedEvent, WaitSpec, WaitStep
from domain.suggestions import did_you_mean

CONTROL_STEPS: Final[tuple[type[ControlStep], ...]] = (WaitStep, BranchStep, SplitStep, RepeatStep)


def step_kind(step: Any) -> str | None:
    """Return the key that says what a step does, of a model or plain data."""
    if isinstance(step, StepModel):
        return step.kind
    if not isinstance(step, Mapping):
        return None
    # An arm of a split may have any name, even that of a kind.
    return "split" if "split" in step else next((kind for kind in STEP_KINDS if kind in step), None)


def _with_kind(step: Any) -> Any:
    if step_kind(step) is not None:
        return step
    if not isinstance(step, Mapping):
        refuse(f"{quote_value(step)} is not a step", "Write a mapping: `- {id: cool-off, delay: 30m}`")
    unknown = [key for key in step if key not in RESERVED]
    said = f"`{unknown[0]}` is not a kind of step" if unknown else "the step does nothing"
    meant = "delay" if unknown and _is_duration(step[unknown[0]]) else "".join(unknown[:1])
    refuse(said, did_you_mean(meant, STEP_KINDS, "A step does one of"))


def _is_duration(value: Any) -> bool:
    try:
        return isinstance(value, str) and parse_duration(value) > 0
    except DurationError:
        return False


# Type checkers cannot read a union made from a tuple, so they see the base class.
if TYPE_CHECKING:
    AnyAction = ActionStep
else:
    AnyAction = Union[tuple(Annotated[step, Tag(step.kind)] for step in ACTIONS)]  # noqa: UP007

# An alias, so that the JSON Schema names it once.
Step = TypeAliasType(
    "Step",
    Annotated[
        Annotated[DelayStep, Tag("delay")]
        | Annotated[SendStep, Tag("send")]
        | Annotated[WaitStep, Tag("wait_for")]
        | Annotated[BranchStep, Tag("branch")]
        | Annotated[SplitStep, Tag("split")]
        | Annotated[RepeatStep, Tag("repeat")]
        | AnyAction
        | Annotated[ExitStep, Tag("exit")],
        Discriminator(step_kind),
        BeforeValidator(_with_kind),
    ],
)
Steps = Annotated[tuple[Step, ...], Listed]

for _model in (AwaitedEvent, WaitSpec, WaitStep, Case, BranchStep, SplitStep, RepeatStep):
    _model.model_rebuild(_types_namespace={"Steps": Steps})
# Rebuilding resolves the types of fields only; `schema_errors` reads this one.
SplitStep.__annotations__["__pydantic_extra__"] = dict[str, Steps]
