"""Reactions to messages: opened, clicked or tapped.

The Segment specs for e-mail and for mobile apps name them `Email Opened`, `Email Link Clicked` and `Push Notification
Tapped`, and reports of other channels have such names as well: the last word decides. Their `email_id` is an id of the
mail service; Sojourn's message id is in `message_id`.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from domain.tracking.event import Event, Trust

_REACTIONS = frozenset({"Opened", "Clicked", "Tapped"})


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


def first_reactions(events: Iterable[Event]) -> dict[UUID, datetime]:
    """Return the first reaction to each message, by an id that may not exist."""
    reactions: dict[UUID, datetime] = {}
    for event in events:
        # An id in what anyone may report could be that of another person's message.
        if event.trust is not Trust.VERIFIED:
            continue
        if (message_id := message_reacted_to(event)) is not None:
            reactions.setdefault(message_id, event.timestamp)
    return reactions
