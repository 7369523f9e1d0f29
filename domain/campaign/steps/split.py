"""The step `split`: draw an arm for each person; the draw is stable."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field, WithJsonSchema

from domain.campaign.schema import SLUG, WHOLE, Given, Slug, Text
from domain.campaign.steps.control import ControlStep, RawList, lists_beside
from domain.campaign.steps.model import StepId, StepSpec
from domain.campaign.steps.names import RESERVED, STEP_KINDS
from domain.document.raw_values import mapping_at
from domain.document.yaml_source import Path
from domain.suggestions import did_you_mean

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


class SplitStep(ControlStep):
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

    def lists(self) -> Iterator["Steps"]:
        yield from map(self.arm, self.split.arms)

    @classmethod
    def raw_lists(cls, step: dict[str, Any]) -> Iterator[RawList]:
        # The arms have names of the author's choice.
        if "split" in step:
            yield from lists_beside(step, *(key for key in step if key not in ("id", "split")))

    @classmethod
    def never_goes_on(cls, step: dict[str, Any], ends: Callable[[list[Any]], bool]) -> bool:
        arms = dict(cls.raw_lists(step))
        return bool(arms) and all(map(ends, arms.values()))

    @classmethod
    def form_problems(cls, step: dict[str, Any]) -> Iterator[tuple[Path, str, str]]:
        arms = mapping_at(step, "split").get("arms")
        for key in stray_keys(step):
            remedy = did_you_mean(key, arms, "Arms") if isinstance(arms, dict) else "Arms stand in `split: {arms: {…}}`"
            if key in STEP_KINDS:
                remedy = "A step does one thing: make it two steps"
            elif key in SplitSpec.model_fields:
                remedy = f"Move it into `split: {{{key}: …}}`"
            yield (key,), f"`{key}` is not an arm of this split", remedy
        if not isinstance(arms, dict):
            return
        weights = [weight for weight in arms.values() if isinstance(weight, int) and not isinstance(weight, bool)]
        if len(weights) == len(arms) > 1 and not any(weights):
            yield ("split", "arms"), "no arm has a weight", "Write `arms: {a: 50, b: 50}`"
        for name in arms:
            if name in RESERVED:
                said = f"an arm cannot be called `{name}`"
                yield ("split", "arms", name), said, "Give it a name that is not a key of a step"
            elif name not in step:
                said = f"the arm `{name}` has no steps"
                yield ("split", "arms", name), said, f"Write `{name}: […]` beside `split`, `[]` for none"


def stray_keys(step: dict[str, Any]) -> list[str]:
    """Return the keys of a raw step beside `split` that are not its arms."""
    if "split" not in step:
        return []
    arms = mapping_at(step, "split").get("arms")
    beside = [key for key in step if key not in ("id", "split")]
    if isinstance(arms, dict):
        return [key for key in beside if key not in arms]
    # If the arms themselves are wrong, any other key may be one.
    return [key for key in beside if key in RESERVED or key in SplitSpec.model_fields]
