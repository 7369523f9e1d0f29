"""Rules by which a page reports an event by itself, such as that someone lingers."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from msgspec import Struct

from domain.tracking.event import Trigger

PageTriggerKind = Literal["dwell", "scroll", "exit_intent", "element_seen", "feature_used", "time_on_page"]
OncePer = Literal["page", "session"]


class PageTrigger(Struct, frozen=True, omit_defaults=True):
    """A rule of the deployment: the page tracks `event` when `kind` comes about.

    `element` is a selector of CSS, `percent` the part of the page scrolled. `where` are patterns of addresses; without
    one it applies to every page.
    """

    name: str
    event: str
    kind: PageTriggerKind
    where: tuple[str, ...] = ()
    element: str | None = None
    seconds: int | None = None
    percent: int | None = None
    once_per: OncePer = "session"
    properties: dict[str, Any] = {}


def select_heard(triggers: Sequence[PageTrigger], is_named: Callable[[Trigger], bool]) -> list[PageTrigger]:
    """Return the triggers whose event is named: the others are not reported."""
    return [one for one in triggers if is_named(Trigger("track", one.event))]
