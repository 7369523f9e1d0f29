"""The one vocabulary in which every channel says what became of a message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from domain.sending.saved_values import SavedReply


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the message. `provider_id` is the provider's own id of it, where it gives one.

    `saved` are the values of its reply that the journey keeps.
    """

    provider_id: str | None
    saved: SavedReply = field(default_factory=SavedReply)


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


def combine(deliveries: Sequence[Delivery]) -> Delivery:
    """Return what became of a message that went to several addresses: sent where one of them took it.

    Otherwise the message is worth another try as long as one address is.
    """
    order = (Accepted, Ambiguous, Unavailable, Rejected)
    return min(deliveries, key=lambda delivery: order.index(type(delivery)))


@dataclass(frozen=True, slots=True)
class Never:
    """The provider delivers a message again that is handed over again."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """The provider knows a message by its id, and delivers it once; for so many seconds, or None for ever."""

    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Replaces:
    """A message that is handed over again replaces the one before, under the same id."""


Repeats = Never | Keyed | Replaces


@dataclass(frozen=True, slots=True)
class Outbound:
    """One rendered message on its way to a provider.

    `message_id` is deterministic and doubles as the idempotency key. `content` is what the channel's template rendered.
    `at` is the same at each attempt. `unsubscribe_url` is set for messages that a recipient may refuse, that is for all
    but transactional ones.
    """

    message_id: str
    content: Mapping[str, Any]
    at: datetime
    unsubscribe_url: str | None


class Provider(Protocol):
    """The socket of a provider: hand one message over, and say what became of it."""

    @property
    def name(self) -> str:
        """The provider's name in the ledger."""
        ...

    @property
    def repeats(self) -> Repeats:
        """What handing a message over again does."""
        ...

    def account(self, message: Outbound) -> str:
        """Return who takes the message, for metrics: a mail server, or the host of a webhook."""
        ...

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Hand the message over for one address, empty on channels whose templates name the receiver.

        Never raises for what a provider or network does: that is a Delivery.
        """
        ...
