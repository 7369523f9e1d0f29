"""Calls as tasks of HubSpot: https://developers.hubspot.com/docs/api-reference.

No account was called yet: the requests follow the published pages. A task is found by its unique property
`sojourn_message_id`, which the account has once.
"""

import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any, Final
from urllib.parse import urlencode

from channels.call.hubspot_reports import PROPERTY, open_reader
from channels.http_call import TOTAL_SECONDS, HttpCalls, HttpReply, judge, share_time
from channels.known_ids import KnownIds
from channels.provider_kind import ProviderContext, ProviderKind
from channels.retry_after import MAX_RETRY_AFTER
from domain.sending.delivery import ACCOUNT, Accepted, Delivery, Keyed, Outbound, Rejected, Unavailable
from domain.sending.providers.hubspot import HubspotModel

HOST: Final = "api.hubapi.com"
TASKS: Final = "/crm/v3/objects/tasks"
PROPERTIES: Final = "/crm/v3/properties/tasks"
# Owners are looked up once an hour.
_KNOWN_SECONDS: Final = 3_600.0


class Hubspot:
    """An account, whose task of a message is one however often it is written."""

    name = "hubspot"
    repeats = Keyed()

    def __init__(
        self,
        token: str,
        base: str = f"https://{HOST}",
        seconds: float = TOTAL_SECONDS,
        *,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._base = base
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._calls = HttpCalls(self.name, tls_context=tls_context, seconds=seconds)
        self._seconds = seconds
        self._known = KnownIds(_KNOWN_SECONDS)

    def account(self, message: Outbound) -> str:
        return self.name

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Write the task, with the person's number."""
        with share_time(self._seconds):
            content, owner = message.content, message.content["owner"]
            if owner is not None and "@" in owner:
                found = await self._find_owner(owner.lower())
                if not isinstance(found, str):
                    return found
                owner = found
            due = message.at.timestamp() + content["due_seconds"]
            properties = {
                PROPERTY: message.message_id,
                "hs_task_subject": content["subject"],
                "hs_task_body": _format_body(content["script"], address),
                "hs_timestamp": str(round(due * 1_000)),
                "hs_task_type": "CALL",
                **({} if owner is None else {"hubspot_owner_id": owner}),
            }
            body = {"inputs": [{"id": message.message_id, "idProperty": PROPERTY, "properties": properties}]}
            url = f"{self._base}{TASKS}/batch/upsert"
            return await self._calls.post(url, content=_write(body), headers=self._headers, read=_read_reply)

    async def check(self) -> Unavailable | None:
        """Try the token, and look for the property by which tasks are found."""
        return await self._calls.get(f"{self._base}{PROPERTIES}/{PROPERTY}", headers=self._headers, read=_read_reply)

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    async def _find_owner(self, email: str) -> str | Rejected | Unavailable:
        """Return the id of an owner by address."""
        if (known := self._known.find(email)) is not None:
            return known
        url = f"{self._base}/crm/v3/owners?{urlencode({'email': email, 'limit': 1})}"
        reply = await self._calls.call("GET", url, headers=self._headers)
        if not isinstance(reply, HttpReply):
            # Nothing was written yet.
            return Unavailable("connection", reply.detail)
        if reply.status != 200 or not isinstance(reply.find("results"), list):
            judged = judge(reply, datetime.now(UTC))
            said = Unavailable(f"http_{reply.status}", f"hubspot answered {reply.status} to a look-up")
            return judged if isinstance(judged, Rejected | Unavailable) else said
        id = reply.find_text("results", 0, "id")
        if id is None:
            return Rejected("recipient_refused", "hubspot knows no owner with this address")
        self._known.keep(email, id)
        return id


def _format_body(script: str, phone: str) -> str:
    text = escape(script, quote=False).replace("\n", "<br>")
    return f"<p><b>{escape(phone)}</b></p><p>{text}</p>"


def _read_reply(reply: HttpReply) -> Delivery | None:
    category = reply.find_text("category") or reply.find_text("errors", 0, "category")
    if reply.status in (200, 201):
        return Accepted(reply.find_text("results", 0, "id"))
    if reply.status == 207:
        # One input, which has failed.
        return Rejected("message_refused", f"hubspot: {(category or 'refused')[:100]}")
    if reply.status == 400 and category is not None:
        return Rejected("message_refused", f"hubspot: {category[:100]}")
    if reply.status == 404:
        detail = f"hubspot: tasks have no property `{PROPERTY}`: create it, with unique values"
        return Unavailable(ACCOUNT, detail, MAX_RETRY_AFTER)
    if reply.status == 409:
        return Unavailable("http_409", "hubspot: an earlier attempt is being taken")
    return None


def _write(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode()


def open_hubspot(settings: HubspotModel, context: ProviderContext) -> Hubspot:
    """Open the account; no connection is made yet."""
    return Hubspot(context.secrets.for_host(settings.token, HOST, is_fixed=True))


KIND = ProviderKind(HubspotModel, open_hubspot, open_reader=open_reader)
