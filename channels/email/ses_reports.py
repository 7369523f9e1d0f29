"""Callbacks of Amazon SES, which its configuration set publishes by topics of SNS.

https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from channels.email.content import MESSAGE_HEADER
from channels.report_fields import find, find_id, find_instant, find_items, find_text, read_object
from channels.sns import SnsTopics
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.ses import SesModel
from domain.sending.reports import Bounce, Callback, ProviderReport, ReportKind, ReportReader

# The kind of each event, and the member that says when it happened.
_KINDS: Final[dict[str, tuple[ReportKind, str]]] = {
    "Send": ("accepted", "send"),
    "DeliveryDelay": ("deferred", "deliveryDelay"),
    "Delivery": ("delivered", "delivery"),
    "Open": ("opened", "open"),
    "Click": ("clicked", "click"),
    "Bounce": ("bounced", "bounce"),
    "Complaint": ("complained", "complaint"),
    "Subscription": ("unsubscribed", "subscription"),
    "Reject": ("failed", "reject"),
    "Rendering Failure": ("failed", "failure"),
}
_CONTENT: Final = frozenset({"MessageTooLarge", "ContentRejected", "AttachmentRejected"})
# "Message expired": the server of the recipient was not reached for days.
_EXPIRED: Final = ("4.4.7", "message expired")


def open_reader(settings: SesModel, _secrets: ProviderSecrets) -> ReportReader | None:
    """Open the reader of the configured topics; None without any."""
    if not settings.topics:
        return None
    topics = SnsTopics(settings.topics)

    async def read(callback: Callback, now: datetime) -> list[ProviderReport]:
        notification = await topics.read(callback.body, now)
        # Once a topic is set up, SES publishes a plain text.
        if notification is None or (event := read_object(notification[1])) is None:
            return []
        report = read_report(event, notification[0], now)
        return [] if report is None else [report]

    return read


def read_report(event: dict[str, Any], id: str, now: datetime) -> ProviderReport | None:
    """Return the report of an event; None for a kind without one."""
    type = find_text(event, "eventType") or find_text(event, "notificationType") or ""
    kind, member = _KINDS.get(type, (None, ""))
    if kind is None or find_text(event, "complaint", "complaintFeedbackType") == "not-spam":
        return None
    said, sub_type = find_text(event, "bounce", "bounceType"), find_text(event, "bounce", "bounceSubType")
    return ProviderReport(
        kind=kind,
        event_id=id,
        message_id=_find_message(event),
        at=find_instant(event, member, "timestamp") or find_instant(event, "mail", "timestamp") or now,
        provider_id=find_text(event, "mail", "messageId"),
        bounce=_judge(event, said, sub_type) if kind == "bounced" else None,
        user_agent=find_text(event, member, "userAgent"),
        link=find_text(event, "click", "link") if kind == "clicked" else None,
        detail=" ".join(text for text in (said, sub_type) if text) or None,
    )


def _find_message(event: dict[str, Any]) -> UUID | None:
    """Return the id in the tags, else in the headers."""
    tagged = find_id(event, "mail", "tags", "message_id", 0)
    if tagged is not None:
        return tagged
    for header in find_items(find(event, "mail", "headers")):
        if (find_text(header, "name") or "").lower() == MESSAGE_HEADER.lower():
            return find_id(header, "value")
    return None


def _judge(event: dict[str, Any], said: str | None, sub_type: str | None) -> Bounce:
    if sub_type in _CONTENT:
        return "content"
    diagnostic = (find_text(event, "bounce", "bouncedRecipients", 0, "diagnosticCode") or "").lower()
    is_expired = sub_type == "General" and any(text in diagnostic for text in _EXPIRED)
    return "hard" if said == "Permanent" or is_expired else "soft"
