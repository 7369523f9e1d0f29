"""Reactions to messages: one was opened, or something in it was clicked or tapped.

The Segment specs for e-mail and for mobile apps name them `Email Opened`, `Email Link Clicked` and
`Push Notification Tapped`, and reports of other channels are named alike: the last word tells. What those specs call
`email_id` is an id of the mail service's own; the id that Sojourn gave to a message stands in `message_id`.
"""

from uuid import UUID

from domain.tracking.event import Event

_REACTIONS = frozenset({"Opened", "Clicked", "Tapped"})


def message_reacted_to(event: Event) -> UUID | None:
    """The id in a reaction, of what may be a message of ours; None for every other event."""
    if event.type != "track" or event.name is None or event.name.rpartition(" ")[2] not in _REACTIONS:
        return None
    told = event.properties.get("message_id")
    try:
        return UUID(told) if isinstance(told, str) else None
    except ValueError:
        return None
