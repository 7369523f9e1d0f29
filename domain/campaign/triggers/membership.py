"""The triggers `joins` and `leaves`: a person joins or leaves a segment."""

from typing import Annotated

from pydantic import AfterValidator

from domain.campaign.schema import Text, pattern_check
from domain.campaign.triggers.kind import TriggerKind
from domain.people.segments.keys import SEGMENT_KEY_PATTERN, check_segment_key
from domain.tracking.event import DerivedType


def _make(kind: DerivedType, description: str, given: str) -> TriggerKind:
    return TriggerKind(
        key=kind,
        kind=kind,
        field=Annotated[Text, AfterValidator(check_segment_key), pattern_check(SEGMENT_KEY_PATTERN, "lapsing-buyers")],
        description=description,
        example=f"{kind}: lapsing-buyers",
        properties=("before", "after"),
        given=(given,),
    )


JOINS = _make("joins", "a segment that the user joins, by its key: `lapsing-buyers`", "after")
LEAVES = _make("leaves", "a segment that the user leaves, by its key: `lapsing-buyers`", "before")
