"""E-mail by SendGrid.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send

No account was called yet: the requests follow the published document.
"""

from datetime import UTC, datetime
from typing import Final

from channels.api_request import ApiRequest, json_request
from channels.email.api import EmailApi
from channels.email.content import EmailContent, mailbox_object
from channels.email.sendgrid_reports import open_reader
from channels.http_call import TOTAL_SECONDS, HttpReply
from channels.provider_kind import ProviderContext, ProviderKind
from channels.retry_after import read_epoch
from domain.sending.delivery import Accepted, Delivery, Outbound, Rejected, Unavailable
from domain.sending.providers.sendgrid import SendGridModel

HOSTS: Final = {"global": "api.sendgrid.com", "eu": "api.eu.sendgrid.com"}
_RECIPIENT: Final = "personalizations.0.to"


class SendGrid(EmailApi):
    """An account at SendGrid."""

    name = "sendgrid"

    def __init__(self, token: str, base: str = f"https://{HOSTS['global']}", seconds: float = TOTAL_SECONDS) -> None:
        super().__init__(base, seconds=seconds)
        self._headers = {"Authorization": f"Bearer {token}"}

    def request(self, content: EmailContent, message: Outbound) -> ApiRequest:
        body = {
            "personalizations": [
                {"to": [{"email": content.recipient.ascii}], "custom_args": {"message_id": message.message_id}}
            ],
            "from": mailbox_object(content.sender),
            "reply_to": None if content.reply_to is None else mailbox_object(content.reply_to),
            "subject": content.subject,
            # An empty part is refused, and with it the mail.
            "content": [
                {"type": type, "value": value}
                for type, value in (("text/plain", content.text), ("text/html", content.html))
                if value
            ],
            "headers": dict(content.headers),
            "attachments": [
                {
                    "content": each.base64_line,
                    "type": each.media_type,
                    "filename": each.name,
                    "disposition": "attachment",
                }
                for each in content.attachments
            ]
            or None,
        }
        return json_request(f"{self.base}/v3/mail/send", self._headers, body)

    def read_reply(self, reply: HttpReply) -> Delivery | None:
        match reply.status:
            case 202:
                return Accepted(reply.headers.get("x-message-id"))
            case 429:
                rest = read_epoch(reply.headers.get("x-ratelimit-reset"), datetime.now(UTC))
                return Unavailable("http_429", "sendgrid answered 429", rest)
            case 400 if (field := reply.find_text("errors", 0, "field")) is not None:
                if field.startswith(_RECIPIENT):
                    return Rejected("recipient_refused", f"sendgrid: {field}", "address")
                return Rejected("message_refused", f"sendgrid: {field}")
        return None

    async def check(self) -> Unavailable | None:
        return await self.calls.get(f"{self.base}/v3/scopes", headers=self._headers)


def open_sendgrid(settings: SendGridModel, context: ProviderContext) -> SendGrid:
    """Open the account; no connection is made yet."""
    host = HOSTS[settings.region]
    return SendGrid(context.secrets.for_host(settings.token, host, is_fixed=True), f"https://{host}")


KIND = ProviderKind(SendGridModel, open_sendgrid, open_reader=open_reader)
