"""The trigger `group`: a `group` call of this id."""

from domain.campaign.schema import Text
from domain.campaign.triggers.kind import TriggerKind

GROUP = TriggerKind(
    key="group",
    kind="group",
    field=Text,
    description='the id of a group that the user was reported to be in; `"*"` is any',
    example='group: "*"',
    is_reported=True,
)
