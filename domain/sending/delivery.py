"""Deliveries: the results of handing a message over, the same for every channel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, Protocol, runtime_checkable

from domain.people.device_addresses import DeviceAddress
from domain.sending.saved_values import SavedReply

ACCOUNT: Final = "account"
# The reason of a refusal by the provider because the person told it to stop.
OPTED_OUT: Final = "opted_out"
NO_ADDRESS: Final = "no_address"
# The reason of a refusal because the person wants no marketing of the sender, by the provider's own means.
MARKETING_STOPPED: Final = "marketing_stopped"
# A free text outside the window after the person's last one.
WINDOW: Final = "window"
# The provider has no such template, or other values than it needs: its author has to mend it.
TEMPLATE_REFUSED: Final = "template_refused"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the message. `provider_id` is its own id, if it gives one.

    `saved` are the values of its reply that the journey keeps. `waiting` is a message for the inbox of its person,
    where it is put with its outcome, or not at all.
    """

    provider_id: str | None
    saved: SavedReply = field(default_factory=SavedReply)
    waiting: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider refused the message for good. It was certainly not delivered.

    With the scope `address`, the refusal holds for all messages to the address.
    """

    reason: str
    detail: str
    scope: Literal["message", "address"] = "message"


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A temporary failure: certainly not delivered. `retry_after` is in seconds.

    The reason ACCOUNT says that the account cannot send: key, payment, quota or domain.
    """

    reason: str
    detail: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """The answer was lost after the hand-over: the message may be delivered."""

    detail: str


Delivery = Accepted | Rejected | Unavailable | Ambiguous


def combine(deliveries: Sequence[Delivery]) -> Delivery:
    """Return the delivery of a message to several addresses: sent if one accepted it.

    Otherwise the message gets another attempt as long as one address may accept it. It has no address any more once
    all are refused.
    """
    if deliveries and all(isinstance(one, Rejected) and one.scope == "address" for one in deliveries):
        return Rejected(NO_ADDRESS, "none of the addresses can be reached any more", "address")
    order = (Accepted, Ambiguous, Unavailable, Rejected)
    return min(deliveries, key=lambda delivery: order.index(type(delivery)))


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The provider has taken the message back: certainly not delivered."""


@dataclass(frozen=True, slots=True)
class TooLate:
    """The provider can no longer take the message back."""

    detail: str


# An ambiguous recall may be repeated: it has no further effect.
Recall = TakenBack | TooLate | Unavailable | Ambiguous


@dataclass(frozen=True, slots=True)
class Never:
    """The provider delivers a repeated message again."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """The provider delivers one message per id, within `seconds`, or always if None."""

    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Replaces:
    """A repeated message replaces the one before, under the same id."""


Repeats = Never | Keyed | Replaces


@dataclass(frozen=True, slots=True)
class Outbound:
    """One rendered message for a provider.

    `message_id` is deterministic and doubles as the idempotency key. `content` is what the channel's template rendered.
    `at` is the same in each attempt, and nothing is to go from `expires_at` on. `unsubscribe_url` is set for all but
    transactional messages, and `topic` for those about one. `reply_address` and `unsubscribe_address` are those at
    which mails of the recipient come back to Sojourn, where it receives them. On channels that reach devices, `device`
    is the one of this hand-over, and what it does with the message comes back at `report_url`.
    """

    message_id: str
    content: Mapping[str, Any]
    at: datetime
    unsubscribe_url: str | None
    topic: str | None = None
    reply_address: str | None = None
    unsubscribe_address: str | None = None
    expires_at: datetime | None = None
    device: DeviceAddress | None = None
    report_url: str | None = None


class Provider(Protocol):
    """The socket of a provider, which delivers messages."""

    @property
    def name(self) -> str:
        """The kind of provider; its name in the ledger is that of the document."""
        ...

    @property
    def repeats(self) -> Repeats:
        """The effect of handing a message over again."""
        ...

    def account(self, message: Outbound) -> str:
        """Return the receiver for metrics: a mail server, or the host of a webhook."""
        ...

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Hand the message over for one address.

        The address is empty on channels whose templates name the receiver. A failure of provider or network is a
        Delivery, not an exception.
        """
        ...


class ManagedProvider(Provider, Protocol):
    """A provider with an account and connections of its own."""

    async def check(self) -> Unavailable | None:
        """Try the account without sending; return why it cannot send, else None."""
        ...

    async def close(self) -> None:
        """Close the connections, once no delivery is under way."""
        ...


@runtime_checkable
class RecallingProvider(Provider, Protocol):
    """A provider that can take a message back for a while after it was accepted."""

    @property
    def recall_seconds(self) -> float:
        """How long after the hand-over a message can be taken back at most."""
        ...

    async def recall(self, message_id: str, provider_id: str | None) -> Recall:
        """Take a message back, which may be repeated.

        Without the provider's own id of it, whether the provider has it at all is not known.
        """
        ...
