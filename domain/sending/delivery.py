"""The one vocabulary in which every channel says what became of a message."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the message. `provider_id` is the provider's own id of it, where it gives one."""

    provider_id: str | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider, or the address, will never take this message. It was certainly not delivered."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Not now: certainly not delivered, worth another try. `retry_after` is in seconds, where the provider says."""

    reason: str
    detail: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """The request was handed over and its answer lost: it is not known whether it was delivered."""

    detail: str


Delivery = Accepted | Rejected | Unavailable | Ambiguous


@dataclass(frozen=True, slots=True)
class Outbound:
    """One rendered message on its way to a provider.

    `message_id` is deterministic and doubles as the idempotency key. `address` is what the channel reaches the
    recipient by (an e-mail address; empty for a webhook). `content` is what the channel's template rendered. `at` is
    the same at each attempt. `unsubscribe_url` is set for messages that a recipient may refuse, that is for all but
    transactional ones.
    """

    message_id: str
    address: str
    content: Mapping[str, Any]
    at: datetime
    unsubscribe_url: str | None


class Channel(Protocol):
    """The boundary that every channel implements: hand one message to the provider and say what became of it."""

    name: str
    honours_idempotency_key: bool

    async def deliver(self, message: Outbound) -> Delivery:
        """Hand the message over. Never raises for what a provider or network does: that is a Delivery."""
        ...
