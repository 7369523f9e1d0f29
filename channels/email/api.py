"""E-mail by the HTTP API of a provider: the frame that all of them share.

Each provider says how a mail is requested, and how its replies are read beyond the rules of all.
"""

from abc import abstractmethod

from channels.api_account import ApiAccount
from channels.api_request import ApiRequest
from channels.email.content import EmailContent, encode, read_content
from domain.people.addresses import parse_email
from domain.sending.delivery import Delivery, Outbound, Rejected


class EmailApi(ApiAccount):
    """An account at a provider of e-mail."""

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Request the mail."""
        recipient = parse_email(address)
        if recipient is None or recipient.ascii is None:
            # No provider's API takes an address that has no ASCII form (RFC 6531).
            return Rejected("invalid_address", "the recipient's address is not an e-mail address in ASCII")
        try:
            content = read_content(message, recipient)
            senders = (content.sender, content.reply_to or content.sender)
            if any(one.address.ascii is None for one in senders):
                return Rejected("invalid_message", "the API takes no sender whose address has no ASCII form")
            made = await encode(message, lambda: self.request(content, message))
        except ValueError:
            return Rejected("invalid_message", "a header holds a control character, or a sender is not an address")
        return await self.calls.post(made.url, content=made.content, headers=made.headers, read=self.read_reply)

    @abstractmethod
    def request(self, content: EmailContent, message: Outbound) -> ApiRequest:
        """Return the request of a mail."""
