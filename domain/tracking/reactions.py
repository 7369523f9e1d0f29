"""Reactions to messages: opened, clicked, tapped or dismissed.

The Segment specs for e-mail and for mobile apps name them `Email Opened`, `Email Link Clicked` and `Push Notification
Tapped`, and reports of other channels have such names as well: the last word decides. Their `email_id` is an id of the
mail service; Sojourn's message id is in `message_id`.
"""

from collections.abc import Iterable
from uuid import UUID

from domain.sending.ledger_marks import LedgerMarks
from domain.sending.reports import MAX_LINK_CHARACTERS
from domain.tracking.event import Event, Trust

_CLICKED = "Clicked"
_DISMISSED = "Dismissed"
_REACTIONS = frozenset({"Opened", _CLICKED, "Tapped", _DISMISSED})


def is_reaction(name: str) -> bool:
    """Return whether events of this name may be reactions."""
    return name.rpartition(" ")[2] in _REACTIONS


def message_reacted_to(event: Event) -> UUID | None:
    """Return the id in a reaction, which may be one of our messages; else None."""
    if event.type != "track" or event.name is None or not is_reaction(event.name):
        return None
    id = event.properties.get("message_id")
    try:
        return UUID(id) if isinstance(id, str) else None
    except ValueError:
        return None


def marks_of_reactions(events: Iterable[Event]) -> list[LedgerMarks]:
    """Return the marks of reactions, by an id that may not exist."""
    marks: list[LedgerMarks] = []
    for event in events:
        # An id in what anyone may report could be that of another person's message.
        if event.trust is not Trust.VERIFIED:
            continue
        if (message_id := message_reacted_to(event)) is not None:
            kind = (event.name or "").rpartition(" ")[2]
            is_click, is_opening, at = kind == _CLICKED, kind != _DISMISSED, event.timestamp
            marks.append(
                LedgerMarks(
                    id=message_id,
                    opened_at=at if is_opening else None,
                    dismissed_at=None if is_opening else at,
                    clicked_at=at if is_click else None,
                    clicked_link=_link_of(event) if is_click else None,
                )
            )
    return marks


def _link_of(event: Event) -> str | None:
    """Return the link of a click, as our reports name it, or as Segment's spec does."""
    for name in ("link", "link_url"):
        if isinstance(link := event.properties.get(name), str):
            return link[:MAX_LINK_CHARACTERS]
    return None
