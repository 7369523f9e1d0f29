"""The trigger `screen`: a `screen` call of this name."""

from domain.campaign.schema import Text
from domain.campaign.triggers.kind import TriggerKind

SCREEN = TriggerKind(
    key="screen",
    kind="screen",
    field=Text,
    description='the name of an app\'s screen that was viewed; `"*"` is any, also one without a name',
    example="screen: …",
    is_reported=True,
)
