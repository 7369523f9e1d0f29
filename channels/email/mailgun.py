"""E-mail by Mailgun.

https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages

No account was called yet: the requests follow the published pages.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final
from urllib.parse import urlencode

from channels.api_request import ApiRequest
from channels.email.api import EmailApi
from channels.email.content import EmailContent, format_mailbox
from channels.email.mailgun_reports import open_reader
from channels.http_call import TOTAL_SECONDS, HttpReply
from channels.provider_kind import ProviderContext, ProviderKind
from channels.retry_after import MAX_RETRY_AFTER
from domain.sending.attachment import Attachment
from domain.sending.delivery import ACCOUNT, Accepted, Delivery, Outbound, Rejected, Unavailable
from domain.sending.providers.mailgun import MailgunModel

HOSTS: Final = {"us": "api.mailgun.net", "eu": "api.eu.mailgun.net"}


class Mailgun(EmailApi):
    """A domain at Mailgun."""

    name = "mailgun"

    def __init__(
        self, domain: str, token: str, base: str = f"https://{HOSTS['us']}", seconds: float = TOTAL_SECONDS
    ) -> None:
        super().__init__(base, seconds=seconds)
        self._domain = domain
        self._headers = {"Authorization": f"Basic {b64encode(f'api:{token}'.encode()).decode()}"}

    def request(self, content: EmailContent, message: Outbound) -> ApiRequest:
        fields = {
            "from": format_mailbox(content.sender),
            "to": content.recipient.ascii,
            "subject": content.subject,
            "text": content.text,
            "html": content.html,
            "v:message_id": message.message_id,
            **{f"h:{name}": value for name, value in content.headers.items()},
        }
        if content.reply_to is not None:
            fields["h:Reply-To"] = format_mailbox(content.reply_to)
        type, form = _write_form(fields, content.attachments)
        return ApiRequest(f"{self.base}/v3/{self._domain}/messages", {**self._headers, "Content-Type": type}, form)

    def read_reply(self, reply: HttpReply) -> Delivery | None:
        match reply.status:
            case 200:
                return Accepted(reply.find_text("id"))
            case 404:
                return Unavailable(ACCOUNT, "mailgun does not know the domain", MAX_RETRY_AFTER)
            case 400 if "'to' parameter" in (reply.find_text("message") or ""):
                return Rejected("recipient_refused", "mailgun: the address is not valid", "address")
        return None

    async def check(self) -> Unavailable | None:
        return await self.calls.get(f"{self.base}/v3/domains/{self._domain}", headers=self._headers)


def _write_form(fields: Mapping[str, str | None], files: Sequence[Attachment]) -> tuple[str, bytes]:
    """Return a form and its type: one of parts where there are files (RFC 7578)."""
    if not files:
        return "application/x-www-form-urlencoded", urlencode(fields).encode()
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    for file in files:
        head = (
            f'Content-Disposition: form-data; name="attachment"; filename="{file.name}"\r\n'
            f"Content-Type: {file.media_type}\r\n\r\n"
        )
        parts.append(head.encode() + file.data)
    # A part would have to hold the digest of itself.
    boundary = sha256(b"&".join(parts)).hexdigest()
    body = b"".join(f"--{boundary}\r\n".encode() + part + b"\r\n" for part in parts)
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


def open_mailgun(settings: MailgunModel, context: ProviderContext) -> Mailgun:
    """Open the domain; no connection is made yet."""
    host = HOSTS[settings.region]
    return Mailgun(settings.domain, context.secrets.for_host(settings.token, host, is_fixed=True), f"https://{host}")


KIND = ProviderKind(MailgunModel, open_mailgun, open_reader=open_reader)
