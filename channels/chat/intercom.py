"""Chat by Intercom: https://developers.intercom.com/docs/references/rest-api.

No workspace was called yet: the requests and the reports are from memory of the published pages.
"""

import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

from channels.chat.intercom_reports import ATTRIBUTE, open_reader
from channels.http_call import TOTAL_SECONDS, HttpCalls, HttpReply, judge, share_time
from channels.provider_kind import ProviderContext, ProviderKind
from channels.retry_after import read_epoch
from domain.sending.delivery import Accepted, Delivery, Never, Outbound, Rejected, Unavailable
from domain.sending.providers.intercom import HOSTS, IntercomModel

_VERSION: Final = "2.13"


class Intercom:
    """A workspace: messages begin conversations, which have our id as an attribute."""

    name = "intercom"
    repeats = Never()

    def __init__(
        self,
        token: str,
        admin: str,
        base: str = f"https://{HOSTS['us']}",
        seconds: float = TOTAL_SECONDS,
        *,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._base = base
        self._admin = admin
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Intercom-Version": _VERSION,
            "Accept": "application/json",
            "Content-Type": "application/json",
        }
        self._calls = HttpCalls(self.name, tls_context=tls_context, seconds=seconds)
        self._seconds = seconds

    def account(self, message: Outbound) -> str:
        return self.name

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Send the message to the contact, and mark its conversation for the reports."""
        with share_time(self._seconds):
            contact = await self._find_contact(address)
            if not isinstance(contact, Mapping):
                return contact
            conversation: str | None = None

            def read(reply: HttpReply) -> Delivery | None:
                nonlocal conversation
                conversation = reply.find_text("conversation_id") if reply.status in range(200, 300) else None
                return _read_reply(reply)

            body = {
                "message_type": "in_app",
                "body": escape(message.content["text"], quote=False).replace("\n", "<br>"),
                "from": {"type": "admin", "id": self._admin},
                "to": contact,
                "create_conversation_without_contact_reply": True,
            }
            delivery = await self._calls.post(
                f"{self._base}/messages", content=_write(body), headers=self._headers, read=read
            )
            if isinstance(delivery, Accepted) and conversation is not None:
                # Without the mark its reports are of no message: the message itself has gone.
                mark = {"custom_attributes": {ATTRIBUTE: message.message_id}}
                url = f"{self._base}/conversations/{conversation}"
                await self._calls.call("PUT", url, content=_write(mark), headers=self._headers)
            return delivery

    async def check(self) -> Unavailable | None:
        """Try the token without sending."""
        return await self._calls.get(f"{self._base}/me", headers=self._headers)

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    async def _find_contact(self, email: str) -> dict[str, str] | Delivery:
        """Return the contact with an address, as the receiver of a message."""
        body = {"query": {"field": "email", "operator": "=", "value": email.lower()}}
        reply = await self._calls.call(
            "POST", f"{self._base}/contacts/search", content=_write(body), headers=self._headers
        )
        if not isinstance(reply, HttpReply):
            # Nothing was sent yet.
            return Unavailable("connection", reply.detail)
        if reply.status != 200 or not isinstance(reply.find("data"), list):
            judged = _read_reply(reply) or judge(reply, datetime.now(UTC))
            said = Unavailable(f"http_{reply.status}", f"intercom answered {reply.status} to a search")
            return judged if isinstance(judged, Rejected | Unavailable) else said
        id, role = reply.find_text("data", 0, "id"), reply.find_text("data", 0, "role")
        if id is None:
            return Rejected("recipient_refused", "intercom knows no contact with this address")
        return {"type": "lead" if role == "lead" else "user", "id": id}


def _read_reply(reply: HttpReply) -> Delivery | None:
    if reply.status in range(200, 300):
        return Accepted(reply.find_text("conversation_id") or reply.find_text("id"))
    if reply.status == 429:
        rest = read_epoch(reply.headers.get("x-ratelimit-reset"), datetime.now(UTC))
        return Unavailable("http_429", "intercom answered 429", rest)
    code = reply.find_text("errors", 0, "code")
    is_refused = reply.status in (400, 404, 422) and code is not None
    return Rejected("message_refused", f"intercom: {code[:100]}") if is_refused and code else None


def _write(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode()


def open_intercom(settings: IntercomModel, context: ProviderContext) -> Intercom:
    """Open the workspace; no connection is made yet."""
    host = HOSTS[settings.region]
    return Intercom(context.secrets.for_host(settings.token, host, is_fixed=True), settings.admin, f"https://{host}")


KIND = ProviderKind(IntercomModel, open_intercom, open_reader=open_reader)
