"""Fallbacks: messages by another channel, unless there was a reaction before."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from domain.campaign.plan import Reaction, Send

NOT_NEEDED: Final = "not_needed"
# The reports that prove each reaction: who has clicked in a message or replied to it has it open.
IMPLYING: Final[Mapping[Reaction, tuple[str, ...]]] = {
    "delivered": ("delivered", "opened", "clicked", "replied"),
    "opened": ("opened", "clicked", "replied"),
    "clicked": ("clicked",),
}


class EarlierMessage(Struct, frozen=True):
    """A message that a fallback follows, with the earliest reports about it.

    `at` is its hand-over, by the journey's clock.
    """

    id: UUID
    channel: str
    at: datetime
    delivered_at: datetime | None = None
    opened_at: datetime | None = None
    clicked_at: datetime | None = None
    replied_at: datetime | None = None

    def reacted_at(self, wanted: Reaction) -> datetime | None:
        """Return when a reaction was first reported; None if it was not."""
        times = {
            "delivered": self.delivered_at,
            "opened": self.opened_at,
            "clicked": self.clicked_at,
            "replied": self.replied_at,
        }
        return min((at for kind in IMPLYING[wanted] if (at := times[kind]) is not None), default=None)


def find_reaction(step: Send, before: Sequence[EarlierMessage]) -> dict[str, Any] | None:
    """Return the reaction that makes a fallback needless, as data; else None."""
    if step.fallback is None or step.fallback_of is None:
        return None
    if not before:
        return {"unless": step.fallback.unless, "detail": "there is no message that it could follow"}
    for one in before:
        if (at := one.reacted_at(step.fallback.unless)) is not None:
            return {"unless": step.fallback.unless, "message_id": str(one.id), "channel": one.channel, "at": at}
    return None


def find_due(step: Send, before: Sequence[EarlierMessage]) -> datetime | None:
    """Return when a fallback is due, by the journey's clock; None for another message."""
    if step.fallback is None or step.fallback_of is None or not before:
        return None
    return max(one.at for one in before) + timedelta(seconds=step.fallback.after)
