"""Callbacks of Resend, signed as those of Svix.

https://resend.com/docs/dashboard/webhooks/event-types
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from channels.report_fields import find, find_id, find_instant, find_items, find_text, read_object
from channels.signatures import verify_standard_webhook
from domain.errors import InvalidRequestError
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.resend import ResendModel
from domain.sending.reports import Bounce, Callback, ProviderReport, ReportKind, ReportReader

_KINDS: Final[dict[str, ReportKind]] = {
    "email.sent": "accepted",
    "email.delivered": "delivered",
    "email.delivery_delayed": "deferred",
    "email.opened": "opened",
    "email.clicked": "clicked",
    "email.bounced": "bounced",
    "email.complained": "complained",
    "email.failed": "failed",
    # Resend has sent nothing: the address has bounced or complained before.
    "email.suppressed": "bounced",
}
_CONTENT: Final = frozenset({"MessageTooLarge", "ContentRejected", "AttachmentRejected"})


def open_reader(settings: ResendModel, secrets: ProviderSecrets) -> ReportReader | None:
    """Open the reader of an account's webhooks; None without `callback_secret`."""
    if settings.callback_secret is None:
        return None
    secret = secrets.for_own_use(settings.callback_secret)

    async def read(callback: Callback, now: datetime) -> list[ProviderReport]:
        id = verify_standard_webhook(secret, callback.headers, callback.body, now, prefix="svix")
        data = read_object(callback.body)
        if data is None:
            raise InvalidRequestError("the body is not a JSON object")
        report = read_report(data, id, now)
        return [] if report is None else [report]

    return read


def read_report(data: dict[str, Any], id: str, now: datetime) -> ProviderReport | None:
    """Return the report of a webhook's body; None for a kind without one."""
    type = find_text(data, "type") or ""
    kind = _KINDS.get(type)
    if kind is None:
        return None
    said, sub_type = find_text(data, "data", "bounce", "type"), find_text(data, "data", "bounce", "subType")
    return ProviderReport(
        kind=kind,
        event_id=id,
        message_id=_find_message(data),
        at=find_instant(data, "created_at") or now,
        provider_id=find_text(data, "data", "email_id"),
        bounce=_judge(type, said, sub_type) if kind == "bounced" else None,
        user_agent=find_text(data, "data", "click", "userAgent"),
        link=find_text(data, "data", "click", "link") if kind == "clicked" else None,
        detail=" ".join(text for text in (said, sub_type) if text) or None,
    )


def _find_message(data: dict[str, Any]) -> UUID | None:
    """Return the id in the tags: an object, or a list of names and values."""
    tags = find(data, "data", "tags")
    if isinstance(tags, list):
        tags = {find_text(tag, "name"): find_text(tag, "value") for tag in find_items(tags)}
    return find_id(tags, "message_id")


def _judge(type: str, said: str | None, sub_type: str | None) -> Bounce:
    if sub_type in _CONTENT:
        return "content"
    return "hard" if type == "email.suppressed" or said == "Permanent" else "soft"
