"""The trigger `opened`: the first event of an app or a site in a session."""

from typing import Annotated, Final

from pydantic import AfterValidator

from domain.campaign.schema import Text, pattern_check, quote_value, refuse
from domain.campaign.triggers.kind import TriggerKind
from domain.people.client_context import PLATFORMS
from domain.tracking.event import ANY

_NAMES: Final = (*PLATFORMS, ANY)


def _check(value: str) -> str:
    if value not in _NAMES:
        refuse(f"{quote_value(value)} is opened by no session", f'Write `app`, `site`, or `"{ANY}"` for both')
    return value


OPENED = TriggerKind(
    key="opened",
    kind="opened",
    field=Annotated[Text, AfterValidator(_check), pattern_check(r"app|site|\*", "app")],
    description='the first event of a session in an app or on a site: `app` or `site`; `"*"` is either',
    example="opened: app",
    properties=("device", "referrer", "campaign", "first_page"),
)
