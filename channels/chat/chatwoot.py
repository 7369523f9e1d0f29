"""Chat by Chatwoot: https://developers.chatwoot.com/api-reference.

No account was called yet: the requests follow the published pages.
"""

import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from channels.chat.chatwoot_reports import ATTRIBUTE, open_reader
from channels.http_call import TOTAL_SECONDS, HttpCalls, HttpReply, judge, share_time
from channels.provider_kind import ProviderContext, ProviderKind
from channels.report_fields import find, find_items, find_text
from domain.sending.delivery import Accepted, Ambiguous, Delivery, Keyed, Outbound, Rejected, Unavailable
from domain.sending.providers.chatwoot import ChatwootModel

# A contact's twenty conversations have some kilobytes each.
MAX_REPLY_BYTES: Final = 1024 * 1024


class ChatwootInbox:
    """An inbox of an account.

    It knows no key: a message is sought among the conversations of its contact before it begins another one. A request
    that was given up and still goes on is not seen by the search.
    """

    name = "chatwoot"
    repeats = Keyed()

    def __init__(
        self,
        token: str,
        account: int,
        inbox: int,
        base: str,
        seconds: float = TOTAL_SECONDS,
        *,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._base = f"{base.rstrip('/')}/api/v1/accounts/{account}"
        self._inbox = inbox
        self._headers = {"api_access_token": token, "Content-Type": "application/json"}
        self._calls = HttpCalls(self.name, tls_context=tls_context, seconds=seconds, max_reply_bytes=MAX_REPLY_BYTES)
        self._seconds = seconds

    def account(self, message: Outbound) -> str:
        return self.name

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Begin a conversation with the contact, unless the message has begun it."""
        with share_time(self._seconds):
            try:
                contact, source = await self._find_contact(address)
                if (known := await self._find_conversation(contact, message.message_id)) is not None:
                    return Accepted(known)
            except _LookUpError as error:
                return error.delivery
            body = {
                "source_id": source,
                "inbox_id": self._inbox,
                "contact_id": contact,
                "custom_attributes": {ATTRIBUTE: message.message_id},
                "message": {"content": message.content["text"]},
            }
            return await self._calls.post(
                f"{self._base}/conversations", content=_write(body), headers=self._headers, read=_read_reply
            )

    async def check(self) -> Unavailable | None:
        """Try the token by the inbox."""
        return await self._calls.get(f"{self._base}/inboxes/{self._inbox}", headers=self._headers)

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    async def _find_contact(self, email: str) -> tuple[int, str]:
        """Return a contact's own id and its id in the inbox; make missing ones.

        Raises _LookUpError.
        """
        found = await self._ask("GET", f"/contacts/search?{urlencode({'q': email})}")
        for number in range(len(_list_items(found, "payload"))):
            contact: Any = found.find("payload", number)
            if str(contact.get("email") or "").casefold() == email.casefold() and isinstance(contact.get("id"), int):
                return contact["id"], await self._find_source(contact)
        made = await self._ask("POST", "/contacts", {"inbox_id": self._inbox, "email": email})
        id, source = (
            made.find("payload", "contact", "id"),
            made.find_text("payload", "contact_inbox", "source_id"),
        )
        return _require(id, made), _require(source, made)

    async def _find_source(self, contact: Mapping[str, Any]) -> str:
        """Return the contact's id in the inbox. Raises _LookUpError."""
        for one in find_items(contact.get("contact_inboxes")):
            source = find_text(one, "source_id")
            if find(one, "inbox", "id") == self._inbox and source is not None:
                return source
        made = await self._ask("POST", f"/contacts/{contact['id']}/contact_inboxes", {"inbox_id": self._inbox})
        return str(_require(made.find_text("source_id"), made))

    async def _find_conversation(self, contact: int, message_id: str) -> str | None:
        """Return the conversation that a message has begun. Raises _LookUpError."""
        found = await self._ask("GET", f"/contacts/{contact}/conversations")
        for number in range(len(_list_items(found, "payload"))):
            if found.find_text("payload", number, "custom_attributes", ATTRIBUTE) == message_id:
                return found.find_text("payload", number, "id")
        return None

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> HttpReply:
        """Make a call that sends the person nothing. Raises _LookUpError."""
        content = b"" if body is None else _write(body)
        reply = await self._calls.call(method, f"{self._base}{path}", content=content, headers=self._headers)
        if not isinstance(reply, HttpReply):
            raise _LookUpError(Unavailable("connection", reply.detail))
        if reply.status in range(200, 300):
            return reply
        judged = _read_reply(reply) or judge(reply, datetime.now(UTC))
        if isinstance(judged, Ambiguous):
            # The message itself was not handed over.
            judged = Unavailable(f"http_{reply.status}", judged.detail)
        raise _LookUpError(judged)


class _LookUpError(Exception):
    """The contact could not be found: the delivery that this is."""

    def __init__(self, delivery: Delivery) -> None:
        super().__init__()
        self.delivery = delivery


def _require(value: Any, reply: HttpReply) -> Any:
    if value is None:
        raise _LookUpError(Unavailable(f"http_{reply.status}", "chatwoot answered without an id"))
    return value


def _list_items(reply: HttpReply, key: str) -> list[Any]:
    """Return the objects of a list.

    Raises _LookUpError without one: it says nothing of what there is.
    """
    found = reply.find(key)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _LookUpError(Unavailable(f"http_{reply.status}", "chatwoot answered without a list"))
    return found


def _write(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode()


def _read_reply(reply: HttpReply) -> Delivery | None:
    if reply.status in range(200, 300):
        return Accepted(reply.find_text("id"))
    if reply.status == 404:
        # The account or the inbox of the document: Chatwoot has no other ids from it.
        return judge(HttpReply(403), datetime.now(UTC))
    return Rejected("message_refused", f"chatwoot answered {reply.status}") if reply.status == 422 else None


def open_chatwoot(settings: ChatwootModel, context: ProviderContext) -> ChatwootInbox:
    """Open the inbox; no connection is made yet."""
    token = context.secrets.for_host(settings.token, urlsplit(settings.url).hostname or "")
    return ChatwootInbox(token, settings.account, settings.inbox, settings.url)


KIND = ProviderKind(ChatwootModel, open_chatwoot, open_reader=open_reader)
