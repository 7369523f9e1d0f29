"""The trigger `consent`: the user gives or refuses a channel, or a topic on one."""

from domain.campaign.schema import Text
from domain.campaign.triggers.kind import TriggerKind

CONSENT = TriggerKind(
    key="consent",
    kind="consent",
    field=Text,
    description="the channel whose consent was given or refused: `email`, or a topic on it: `newsletter.email`; "
    '`"*"` is any of both',
    example="consent: email",
    properties=("before", "after", "topic", "channel"),
)
