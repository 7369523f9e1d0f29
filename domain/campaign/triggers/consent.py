"""The trigger `consent`: the user gives or refuses the consent to a channel."""

from domain.campaign.schema import Text
from domain.campaign.triggers.kind import TriggerKind

CONSENT = TriggerKind(
    key="consent",
    kind="consent",
    field=Text,
    description='the channel whose consent was given or refused: `email`; `"*"` is any',
    example="consent: email",
    properties=("before", "after"),
)
