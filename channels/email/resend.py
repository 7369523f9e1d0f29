"""E-mail by Resend: https://resend.com/docs/api-reference/emails/send-email.

No account was called yet: the requests follow the published document.
"""

from typing import Final

from channels.api_request import ApiRequest, json_request
from channels.email.api import EmailApi
from channels.email.content import EmailContent, format_mailbox
from channels.email.resend_reports import open_reader
from channels.http_call import TOTAL_SECONDS, HttpReply
from channels.provider_kind import ProviderContext, ProviderKind
from channels.retry_after import MAX_RETRY_AFTER
from domain.sending.delivery import ACCOUNT, Accepted, Delivery, Keyed, Outbound, Rejected, Unavailable
from domain.sending.providers.resend import ResendModel

HOST: Final = "api.resend.com"
_DAY: Final = 86_400.0


class Resend(EmailApi):
    """An account at Resend, which knows a message by its key for a day."""

    name = "resend"
    repeats = Keyed(_DAY)

    def __init__(self, token: str, base: str = f"https://{HOST}", seconds: float = TOTAL_SECONDS) -> None:
        super().__init__(base, seconds=seconds)
        self._headers = {"Authorization": f"Bearer {token}"}

    def request(self, content: EmailContent, message: Outbound) -> ApiRequest:
        body = {
            "from": format_mailbox(content.sender),
            "to": [content.recipient.ascii],
            "subject": content.subject,
            "html": content.html,
            "text": content.text,
            "reply_to": None if content.reply_to is None else [format_mailbox(content.reply_to)],
            "headers": content.headers,
            "tags": [{"name": "message_id", "value": message.message_id}],
            "attachments": [
                {"filename": each.name, "content": each.base64_line, "content_type": each.media_type}
                for each in content.attachments
            ]
            or None,
        }
        return json_request(f"{self.base}/emails", {**self._headers, "Idempotency-Key": message.message_id}, body)

    def read_reply(self, reply: HttpReply) -> Delivery | None:
        name = reply.find_text("name")
        match reply.status, name:
            case 200 | 201, _:
                return Accepted(reply.find_text("id"))
            case 409, "invalid_idempotent_request":
                # The key is ours alone: an earlier attempt was taken, with a body that was rendered anew.
                return Accepted(None)
            case 409, _:
                return Unavailable("http_409", "an earlier attempt is being taken")
            case 429, "daily_quota_exceeded" | "monthly_quota_exceeded":
                return Unavailable(ACCOUNT, f"resend: {name}", MAX_RETRY_AFTER)
            case 400 | 422, str():
                return Rejected("message_refused", f"resend: {name}")
        return None

    async def check(self) -> Unavailable | None:
        return await self.calls.get(f"{self.base}/domains", headers=self._headers, read=_read_check)


def _read_check(reply: HttpReply) -> Delivery | None:
    # A key that may only send is a good key.
    return Accepted(None) if reply.find_text("name") == "restricted_api_key" else None


def open_resend(settings: ResendModel, context: ProviderContext) -> Resend:
    """Open the account; no connection is made yet."""
    return Resend(context.secrets.for_host(settings.token, HOST, is_fixed=True))


KIND = ProviderKind(ResendModel, open_resend, open_reader=open_reader)
