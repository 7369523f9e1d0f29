"""The trigger `page`: a `page` call of this name."""

from domain.campaign.schema import Text
from domain.campaign.triggers.kind import TriggerKind

PAGE = TriggerKind(
    key="page",
    kind="page",
    field=Text,
    description='the name of a page that was viewed; `"*"` is any, also one without a name',
    example="page: …",
    is_reported=True,
)
