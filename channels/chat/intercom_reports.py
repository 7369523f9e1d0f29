"""Callbacks of Intercom, signed over the body.

https://developers.intercom.com/docs/references/webhooks/webhook-models

Their signature is an HMAC-SHA1 without a time: a repeated notification has the id of the first.
"""

import re
from datetime import datetime
from html import unescape
from typing import Any, Final

from channels.report_fields import find, find_id, find_instant, find_text, read_object
from channels.signatures import refuse, verify_hex_hmac
from domain.errors import InvalidRequestError
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.intercom import IntercomModel
from domain.sending.reports import Callback, ProviderReport, ReportKind, ReportReader

# An attribute of conversations: the message that has begun it.
ATTRIBUTE: Final = "sojourn_message_id"
MAX_CHARACTERS: Final = 8_000
_KINDS: Final[dict[str, ReportKind]] = {
    "conversation.user.replied": "replied",
    "conversation.admin.closed": "resolved",
    "conversation.rating.added": "rated",
}
_TAG: Final = re.compile(r"<[^>]*>")


def open_reader(settings: IntercomModel, secrets: ProviderSecrets) -> ReportReader | None:
    """Open the reader of an app's webhooks; None without `callback_secret`."""
    if settings.callback_secret is None:
        return None
    secret = secrets.for_own_use(settings.callback_secret)

    async def read(callback: Callback, now: datetime) -> list[ProviderReport]:
        signature = callback.headers.get("x-hub-signature", "")
        if not signature.startswith("sha1="):
            raise refuse("it has no signature")
        verify_hex_hmac(secret, callback.body, signature.removeprefix("sha1="), "sha1")
        data = read_object(callback.body)
        if data is None:
            raise InvalidRequestError("the body is not a JSON object")
        report = read_report(data, now)
        return [] if report is None else [report]

    return read


def read_report(data: dict[str, Any], now: datetime) -> ProviderReport | None:
    """Return the report of a notification; None for a topic without one."""
    kind, id, item = _KINDS.get(find_text(data, "topic") or ""), find_text(data, "id"), find(data, "data", "item")
    message = find_id(item, "custom_attributes", ATTRIBUTE)
    if kind is None or id is None or message is None:
        return None
    return ProviderReport(
        kind=kind,
        event_id=id,
        message_id=message,
        at=find_instant(data, "created_at") or now,
        provider_id=find_text(item, "id"),
        data=_read_reply(item) if kind == "replied" else _read_rating(item) if kind == "rated" else {},
    )


def _read_reply(item: Any) -> dict[str, Any]:
    said = find_text(item, "conversation_parts", "conversation_parts", 0, "body") or ""
    return {"text": unescape(_TAG.sub("", said[:MAX_CHARACTERS])).strip()}


def _read_rating(item: Any) -> dict[str, Any]:
    score, remark = find(item, "conversation_rating", "rating"), find_text(item, "conversation_rating", "remark")
    found = {"rating": score if isinstance(score, int) else None, "feedback": (remark or "")[:MAX_CHARACTERS]}
    return {name: value for name, value in found.items() if value}
