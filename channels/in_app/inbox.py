"""The inbox of this deployment, from which pages and apps take messages."""

from channels.provider_kind import ProviderContext, ProviderKind
from domain.errors import InvalidRequestError
from domain.sending.delivery import Accepted, Delivery, Outbound, Replaces, Unavailable
from domain.sending.providers.in_app import InAppModel


class InAppInbox:
    """Takes every message. Its row is written in the transaction that settles it."""

    name = "in_app"
    repeats = Replaces()

    def account(self, message: Outbound) -> str:
        return "inbox"

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Return the message as one that waits for its person."""
        return Accepted(None, waiting=message.content)

    async def check(self) -> Unavailable | None:
        """The inbox is as available as the database."""
        return None

    async def close(self) -> None:
        """There is nothing to close."""


def open_inbox(settings: InAppModel, context: ProviderContext) -> InAppInbox:
    """Refuse to open it by a document: its messages are reported under one name."""
    raise InvalidRequestError("the inbox needs no entry in the document of providers")


KIND = ProviderKind(InAppModel, open_inbox, open_default=lambda _: InAppInbox())
