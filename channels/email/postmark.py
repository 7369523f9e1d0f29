"""E-mail by Postmark: https://postmarkapp.com/developer/api/email-api.

No account was called yet: the requests follow the published pages.
"""

from typing import Final

from channels.api_request import ApiRequest, json_request
from channels.email.api import EmailApi
from channels.email.content import EmailContent, format_mailbox
from channels.email.postmark_reports import open_reader
from channels.http_call import TOTAL_SECONDS, HttpReply
from channels.provider_kind import ProviderContext, ProviderKind
from channels.retry_after import MAX_RETRY_AFTER
from domain.sending.delivery import ACCOUNT, Accepted, Delivery, Outbound, Rejected, Unavailable
from domain.sending.providers.postmark import PostmarkModel

HOST: Final = "api.postmarkapp.com"

# https://postmarkapp.com/developer/api/overview#error-codes
_INVALID_REQUEST: Final = "300"
_INACTIVE_RECIPIENT: Final = "406"
_MAINTENANCE: Final = "100"
_ACCOUNT_CODES: Final = frozenset({"10", "400", "401", "405", "412", "413"})


class Postmark(EmailApi):
    """A server at Postmark, with the stream of its messages."""

    name = "postmark"

    def __init__(self, token: str, stream: str, base: str = f"https://{HOST}", seconds: float = TOTAL_SECONDS) -> None:
        super().__init__(base, seconds=seconds)
        self._stream = stream
        self._headers = {"X-Postmark-Server-Token": token, "Accept": "application/json"}

    def request(self, content: EmailContent, message: Outbound) -> ApiRequest:
        body = {
            "From": format_mailbox(content.sender),
            "To": content.recipient.ascii,
            "Subject": content.subject,
            "HtmlBody": content.html,
            "TextBody": content.text,
            "ReplyTo": None if content.reply_to is None else format_mailbox(content.reply_to),
            "Headers": [{"Name": name, "Value": value} for name, value in content.headers.items()],
            "Metadata": {"message_id": message.message_id},
            "MessageStream": self._stream,
            "Attachments": [
                {"Name": each.name, "Content": each.base64_line, "ContentType": each.media_type}
                for each in content.attachments
            ]
            or None,
        }
        return json_request(f"{self.base}/email", self._headers, body)

    def read_reply(self, reply: HttpReply) -> Delivery | None:
        code, said = reply.find_text("ErrorCode"), reply.find_text("Message") or ""
        if reply.status == 403 and code is None:
            # Their network's answer and not the API's: the request never came there.
            return Unavailable("http_403", "postmark: the network refused the request")
        if code is None:
            return None
        if code == "0":
            return Accepted(reply.find_text("MessageID"))
        detail = f"postmark: error {code}"
        if code in _ACCOUNT_CODES:
            return Unavailable(ACCOUNT, detail, MAX_RETRY_AFTER)
        if code == _MAINTENANCE:
            return Unavailable("deferred", detail)
        if code == _INACTIVE_RECIPIENT or (code == _INVALID_REQUEST and "Invalid 'To'" in said):
            return Rejected("recipient_refused", detail, "address")
        return Rejected("message_refused", detail) if reply.status == 422 else None

    async def check(self) -> Unavailable | None:
        return await self.calls.get(f"{self.base}/server", headers=self._headers)


def open_postmark(settings: PostmarkModel, context: ProviderContext) -> Postmark:
    """Open the server; no connection is made yet."""
    return Postmark(context.secrets.for_host(settings.token, HOST, is_fixed=True), settings.stream)


KIND = ProviderKind(PostmarkModel, open_postmark, open_reader=open_reader)
