"""Messages to phones by the HTTP API of a provider: the frame that all share."""

import ssl
from abc import ABC, abstractmethod
from typing import ClassVar

from channels.api_request import ApiRequest
from channels.http_call import TOTAL_SECONDS, HttpCalls, HttpReply
from domain.people.phone_numbers import parse_phone
from domain.sending.delivery import Delivery, Never, Outbound, Rejected, Repeats, Unavailable


class PhoneApi(ABC):
    """An account at a provider of messages to phones.

    `base` is the beginning of all URLs. `tls_context` replaces the machine's certificate authorities. `seconds` bounds
    a call as a whole.
    """

    name: ClassVar[str]
    repeats: ClassVar[Repeats] = Never()

    def __init__(self, base: str, *, tls_context: ssl.SSLContext | None = None, seconds: float = TOTAL_SECONDS) -> None:
        self.base = base
        self.calls = HttpCalls(self.name, tls_context=tls_context, seconds=seconds)

    def account(self, message: Outbound) -> str:
        return self.name

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Request the message."""
        number = parse_phone(address)
        if number is None or number.e164 != address:
            return Rejected("invalid_address", "the recipient's address is not a phone number in E.164")
        made = self.request(message, address)
        return await self.calls.post(made.url, content=made.content, headers=made.headers, read=self.read_reply)

    async def close(self) -> None:
        """Close the connections."""
        await self.calls.close()

    @abstractmethod
    def request(self, message: Outbound, number: str) -> ApiRequest:
        """Return the request of a message to a number in E.164."""

    @abstractmethod
    def read_reply(self, reply: HttpReply) -> Delivery | None:
        """Read a reply by the provider's own codes; None for the rules of all."""

    @abstractmethod
    async def check(self) -> Unavailable | None:
        """Try the account without sending; return why it cannot send, else None."""


def seconds_left(message: Outbound, least: int, most: int) -> int:
    """Return for how long a provider may try, in whole seconds within its bounds."""
    left = most if message.expires_at is None else int((message.expires_at - message.at).total_seconds())
    return min(max(left, least), most)
