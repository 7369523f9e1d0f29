"""Messages to phones by the HTTP API of a provider: the frame that all share."""

from abc import abstractmethod

from channels.api_account import ApiAccount
from channels.api_request import ApiRequest
from domain.people.phone_numbers import parse_phone
from domain.sending.delivery import Delivery, Outbound, Rejected


class PhoneApi(ApiAccount):
    """An account at a provider of messages to phones."""

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Request the message."""
        number = parse_phone(address)
        if number is None or number.e164 != address:
            return Rejected("invalid_address", "the recipient's address is not a phone number in E.164")
        if (refused := self.refuse(message)) is not None:
            return refused
        made = self.request(message, address)
        return await self.calls.post(made.url, content=made.content, headers=made.headers, read=self.read_reply)

    def refuse(self, message: Outbound) -> Rejected | None:
        """Refuse a message that the provider has no form for; None for all others."""
        return None

    @abstractmethod
    def request(self, message: Outbound, number: str) -> ApiRequest:
        """Return the request of a message to a number in E.164."""


def seconds_left(message: Outbound, least: int, most: int) -> int:
    """Return for how long a provider may try, in whole seconds within its bounds."""
    left = most if message.expires_at is None else int((message.expires_at - message.at).total_seconds())
    return min(max(left, least), most)
