"""The trigger `event`: a `track` call of this name."""

from typing import Annotated

from domain.campaign.schema import Text
from domain.campaign.triggers.kind import ONE_NAME, TriggerKind

EVENT = TriggerKind(
    key="event",
    kind="track",
    field=Annotated[Text, ONE_NAME],
    description="the event's name",
    example="event: …",
    is_reported=True,
)
