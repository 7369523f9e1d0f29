"""A person's choice about marketing, made at a provider: what it says of them."""

from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from domain.tracking.event import SOJOURN_SOURCE, CallType, Event

_CHOICES: Final = UUID("5a5f2c1e-6b0b-4a0c-8f43-0f6a6f1b9a21")


def build_choice_events(
    provider: str,
    channel: str,
    choice: str,
    at: datetime,
    user_id: str | None,
    anonymous_id: str | None,
    *,
    is_wanted: bool,
) -> list[Event]:
    """Build the statement of a consent, and the event of its end.

    They are the same at each attempt. `choice` is the choice's id within the provider.
    """

    def build(type: CallType, name: str | None, properties: dict[str, object]) -> Event:
        id = find_choice_id(provider, f"{choice} {type}")
        return Event(
            id=id,
            source=SOJOURN_SOURCE,
            message_id=str(id),
            type=type,
            name=name,
            user_id=user_id,
            anonymous_id=None if user_id else anonymous_id,
            properties=properties,
            context={},
            timestamp=at,
        )

    stated = build("identify", None, {"consent": {channel: is_wanted}})
    if is_wanted:
        return [stated]
    return [stated, build("track", "Unsubscribed", {"channel": channel, "provider": provider})]


def find_choice_id(provider: str, choice: str) -> UUID:
    """Return the id of what a choice states."""
    return uuid5(_CHOICES, f"{provider} {choice}")
