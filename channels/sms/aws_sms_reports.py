"""Callbacks of AWS End User Messaging SMS, published by topics of SNS.

https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-format.html
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from channels.phone_texts import read_text
from channels.report_fields import find, find_id, find_text, read_epoch_milliseconds, read_object
from channels.sns import SnsTopics
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.aws_sms import AwsSmsModel
from domain.sending.reports import Bounce, Callback, IncomingReport, ProviderReport, ReportKind, ReportReader

_KINDS: Final[Mapping[str, ReportKind]] = {
    "TEXT_SENT": "accepted",
    "TEXT_SUCCESSFUL": "accepted",
    "TEXT_DELIVERED": "delivered",
    "TEXT_BLOCKED": "bounced",
    "TEXT_CARRIER_BLOCKED": "bounced",
    "TEXT_CARRIER_UNREACHABLE": "bounced",
    "TEXT_INVALID": "bounced",
    "TEXT_INVALID_MESSAGE": "bounced",
    "TEXT_PROTECT_BLOCKED": "bounced",
    "TEXT_SPAM": "bounced",
    "TEXT_TTL_EXPIRED": "bounced",
    "TEXT_UNKNOWN": "bounced",
    "TEXT_UNREACHABLE": "bounced",
}
_BOUNCES: Final[Mapping[str, Bounce]] = {
    "TEXT_INVALID": "hard",
    "TEXT_BLOCKED": "content",
    "TEXT_CARRIER_BLOCKED": "content",
    "TEXT_INVALID_MESSAGE": "content",
    "TEXT_PROTECT_BLOCKED": "content",
    "TEXT_SPAM": "content",
}


def open_reader(settings: AwsSmsModel, _secrets: ProviderSecrets) -> ReportReader | None:
    """Open the reader of the configured topics; None without any."""
    if not settings.topics:
        return None
    topics = SnsTopics(settings.topics)

    async def read(callback: Callback, now: datetime) -> list[IncomingReport]:
        notification = await topics.read(callback.body, now)
        if notification is None or (event := read_object(notification[1])) is None:
            return []
        found = read_event(event, notification[0], now)
        return [] if found is None else [found]

    return read


def read_event(event: dict[str, Any], id: str, now: datetime) -> IncomingReport | None:
    """Return the report or the text of an event; None for a type without one."""
    if "originationNumber" in event:
        own = find_text(event, "inboundMessageId") or ""
        return read_text(f"text {id}", find_text(event, "originationNumber"), find_text(event, "messageBody"), now, own)
    type = find_text(event, "eventType") or ""
    kind = _KINDS.get(type)
    if kind is None:
        return None
    return ProviderReport(
        kind=kind,
        event_id=id,
        message_id=find_id(event, "context", "message_id"),
        at=read_epoch_milliseconds(find(event, "eventTimestamp")) or now,
        provider_id=find_text(event, "messageId"),
        bounce=_BOUNCES.get(type, "soft") if kind == "bounced" else None,
        detail=type if kind == "bounced" else None,
    )
