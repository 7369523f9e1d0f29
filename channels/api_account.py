"""An account at a provider with an HTTP API: what those of all channels share."""

import ssl
from abc import ABC, abstractmethod
from typing import ClassVar

from channels.http_call import TOTAL_SECONDS, HttpCalls, HttpReply
from domain.sending.delivery import Delivery, Never, Outbound, Repeats, Unavailable


class ApiAccount(ABC):
    """An account at a provider.

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

    async def close(self) -> None:
        """Close the connections."""
        await self.calls.close()

    @abstractmethod
    def read_reply(self, reply: HttpReply) -> Delivery | None:
        """Read a reply by the provider's own codes; None for the rules of all."""

    @abstractmethod
    async def check(self) -> Unavailable | None:
        """Try the account without sending; return why it cannot send, else None."""
