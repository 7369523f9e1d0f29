"""E-mail by Brevo: https://developers.brevo.com/reference/send-transac-email.

No account was called yet: the requests follow the published pages. These do not quote the message of a key that was
used before. If it does not name the key, a repetition is `unknown` rather than sent.
"""

from datetime import UTC, datetime
from typing import Final

from channels.api_request import ApiRequest, json_request
from channels.email.api import EmailApi
from channels.email.brevo_reports import open_reader
from channels.email.content import EmailContent, mailbox_object
from channels.http_call import TOTAL_SECONDS, HttpReply
from channels.provider_kind import ProviderContext, ProviderKind
from channels.retry_after import read_retry_after
from domain.sending.delivery import Accepted, Delivery, Keyed, Outbound, Rejected, Unavailable
from domain.sending.providers.brevo import BrevoModel

HOST: Final = "api.brevo.com"
# Their pages say 15 minutes and 30.
_KEY_SECONDS: Final = 900.0


class Brevo(EmailApi):
    """An account at Brevo, which knows a message by its key for a while."""

    name = "brevo"
    repeats = Keyed(_KEY_SECONDS)

    def __init__(self, token: str, base: str = f"https://{HOST}", seconds: float = TOTAL_SECONDS) -> None:
        super().__init__(base, seconds=seconds)
        self._headers = {"api-key": token, "Accept": "application/json"}

    def request(self, content: EmailContent, message: Outbound) -> ApiRequest:
        body = {
            "sender": mailbox_object(content.sender),
            "to": [{"email": content.recipient.ascii}],
            "subject": content.subject,
            "htmlContent": content.html,
            "textContent": content.text,
            "replyTo": None if content.reply_to is None else mailbox_object(content.reply_to),
            # Their name says their type.
            "attachment": [{"name": each.name, "content": each.base64_line} for each in content.attachments] or None,
            # The second one comes back in reports; recipients see it, too.
            "headers": {
                **content.headers,
                "idempotencyKey": message.message_id,
                "X-Mailin-custom": message.message_id,
            },
        }
        return json_request(f"{self.base}/v3/smtp/email", self._headers, body)

    def read_reply(self, reply: HttpReply) -> Delivery | None:
        code = reply.find_text("code")
        match reply.status, code:
            case 201 | 202, _:
                return Accepted(reply.find_text("messageId"))
            case 400, "duplicate_parameter" if "idempotency" in (reply.find_text("message") or "").lower():
                # The key is ours alone: an earlier attempt was taken. Another parameter may be given twice as well.
                return Accepted(None)
            case 400, str():
                return Rejected("message_refused", f"brevo: {code}")
            case 429, _:
                rest = read_retry_after(reply.headers.get("x-sib-ratelimit-reset"), datetime.now(UTC))
                return Unavailable("http_429", "brevo answered 429", rest)
        return None

    async def check(self) -> Unavailable | None:
        return await self.calls.get(f"{self.base}/v3/account", headers=self._headers)


def open_brevo(settings: BrevoModel, context: ProviderContext) -> Brevo:
    """Open the account; no connection is made yet."""
    return Brevo(context.secrets.for_host(settings.token, HOST, is_fixed=True))


KIND = ProviderKind(BrevoModel, open_brevo, open_reader=open_reader)
