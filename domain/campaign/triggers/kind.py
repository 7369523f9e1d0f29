"""The socket of a trigger: the key and value by which a rule names events."""

from dataclasses import dataclass
from typing import Any

from pydantic import AfterValidator

from domain.campaign.schema import refuse
from domain.tracking.event import ANY, EventType


@dataclass(frozen=True, slots=True)
class TriggerKind:
    """One form in which authors name events: `event: Order Completed`.

    `kind` is the type of those events. `field` is the annotated type of the value, which is read as the trigger's name.
    With `is_reported`, clients choose the names, so odd ones are doubtful. `properties` are those that such an event
    has; None if clients choose them. `given` are those of them that are never null.
    """

    key: str
    kind: EventType
    field: Any
    description: str
    example: str
    is_reported: bool = False
    properties: tuple[str, ...] | None = None
    given: tuple[str, ...] = ()


def _one_name(value: str) -> str:
    if value == ANY:
        refuse(f"`{ANY}` is not a name here", "Name one: these would be far too many, also what Sojourn itself reports")
    return value


# A value that names one: ANY is not allowed.
ONE_NAME = AfterValidator(_one_name)
