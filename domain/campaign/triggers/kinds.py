"""The registry of triggers. A new kind is a module beside this and a line here."""

from domain.campaign.triggers.arrives import ARRIVES_AT
from domain.campaign.triggers.changed import CHANGED
from domain.campaign.triggers.consent import CONSENT
from domain.campaign.triggers.event import EVENT
from domain.campaign.triggers.group import GROUP
from domain.campaign.triggers.kind import TriggerKind
from domain.campaign.triggers.membership import JOINS, LEAVES
from domain.campaign.triggers.opened import OPENED
from domain.campaign.triggers.page import PAGE
from domain.campaign.triggers.screen import SCREEN
from domain.campaign.triggers.stage import STAGE

TRIGGERS: tuple[TriggerKind, ...] = (
    EVENT,
    PAGE,
    SCREEN,
    GROUP,
    CHANGED,
    CONSENT,
    OPENED,
    JOINS,
    LEAVES,
    STAGE,
    ARRIVES_AT,
)


def examples() -> str:
    """Show an author the forms of a trigger."""
    *others, last = [f"`{kind.example}`" for kind in TRIGGERS]
    return f"{', '.join(others)} or {last}"
