"""The trigger `stage`: a person moves into a stage of the life cycle.

It is `joins` of the stage's segment; a stage is left by `leaves: stage.…`.
"""

from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from domain.campaign.schema import pattern_check, quote_value, refuse
from domain.campaign.triggers.kind import TriggerKind
from domain.people.segments.causes import JOINS
from domain.people.segments.stages import STAGE_KEY_PATTERN, STAGE_PREFIX, is_stage_key, stage_segment

KEY: Final = "stage"


def _read(value: Any) -> str:
    """Read a stage as the key of its segment."""
    if isinstance(value, str) and value.startswith(STAGE_PREFIX) and is_stage_key(value.removeprefix(STAGE_PREFIX)):
        refuse(f"{quote_value(value)} is the stage's segment", f"Write `stage: {value.removeprefix(STAGE_PREFIX)}`")
    if not isinstance(value, str) or not is_stage_key(value):
        refuse(f"{quote_value(value)} is not a stage", "Write one of the life cycle by its key: `at-risk`")
    return stage_segment(value)


STAGE = TriggerKind(
    key=KEY,
    kind=JOINS,
    field=Annotated[str, BeforeValidator(_read), pattern_check(STAGE_KEY_PATTERN, "at-risk")],
    description="a stage of the life cycle that the user moves into, by its key: `at-risk`",
    example="stage: at-risk",
    properties=("before", "after"),
    given=("after",),
)
