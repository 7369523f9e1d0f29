"""Reactions to messages: opened, clicked or tapped.

The Segment specs for e-mail and for mobile apps name them `Email Opened`, `Email Link Clicked` and `Push Notification
Tapped`, and reports of other channels have such names as well: the last word decides. Their `email_id` is an id of the
mail service; Sojourn's message id is in `message_id`.
"""

from uuid import UUID

from domain.tracking.event import Event

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
