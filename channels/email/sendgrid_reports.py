"""Callbacks of SendGrid: signed lists of events.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

from datetime import datetime, timedelta
from typing import Any, Final

from channels.report_fields import find, find_id, find_instant, find_text, read_json
from channels.signatures import check_age, read_epoch, verify_ecdsa
from domain.errors import InvalidRequestError
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.sendgrid import SendGridModel
from domain.sending.reports import Bounce, Callback, ProviderReport, ReportKind, ReportReader

_PREFIX: Final = "x-twilio-email-event-webhook-"
# It repeats a callback for a day; a report that was applied is known for 30.
MAX_AGE: Final = timedelta(hours=25)

_KINDS: Final[dict[str, ReportKind]] = {
    "processed": "accepted",
    "deferred": "deferred",
    "delivered": "delivered",
    "open": "opened",
    "click": "clicked",
    "bounce": "bounced",
    "dropped": "failed",
    "spamreport": "complained",
    "unsubscribe": "unsubscribed",
    "group_unsubscribe": "unsubscribed",
}
# Why an event is `dropped`: SendGrid has sent nothing, for an earlier report about the address.
_DROPPED: Final[dict[str, tuple[ReportKind, Bounce | None]]] = {
    "bounced address": ("bounced", "hard"),
    "invalid": ("bounced", "hard"),
    "spam reporting address": ("complained", None),
    "unsubscribed address": ("unsubscribed", None),
}
_CONTENT: Final = frozenset({"content", "reputation", "frequency or volume too high"})


def open_reader(settings: SendGridModel, secrets: ProviderSecrets) -> ReportReader | None:
    """Open the reader of an account's webhooks; None without `callback_secret`.

    The secret is the public key that SendGrid shows for the webhook.
    """
    if settings.callback_secret is None:
        return None
    key = secrets.for_own_use(settings.callback_secret)

    async def read(callback: Callback, now: datetime) -> list[ProviderReport]:
        signature, time = (callback.headers.get(f"{_PREFIX}{name}", "") for name in ("signature", "timestamp"))
        verify_ecdsa(key, time.encode() + callback.body, signature)
        check_age(read_epoch(time), now, MAX_AGE)
        events = read_json(callback.body)
        if not isinstance(events, list):
            raise InvalidRequestError("the body is not a JSON array")
        return [report for event in events if (report := read_report(event, now)) is not None]

    return read


def read_report(event: Any, now: datetime) -> ProviderReport | None:
    """Return the report of an event; None for a kind without one."""
    kind, id = _KINDS.get(find_text(event, "event") or ""), find_text(event, "sg_event_id")
    if kind is None or id is None:
        return None
    bounce: Bounce | None = _judge(event) if kind == "bounced" else None
    if kind == "failed":
        kind, bounce = _DROPPED.get((find_text(event, "reason") or "").lower(), ("failed", None))
    return ProviderReport(
        kind=kind,
        event_id=id,
        message_id=find_id(event, "message_id"),
        at=find_instant(event, "timestamp") or now,
        provider_id=(find_text(event, "sg_message_id") or "").partition(".")[0] or None,
        bounce=bounce,
        is_machine=find(event, "sg_machine_open") is True,
        user_agent=find_text(event, "useragent"),
        link=find_text(event, "url") if kind == "clicked" else None,
        detail=find_text(event, "bounce_classification") or find_text(event, "status"),
    )


def _judge(event: Any) -> Bounce:
    """Judge a bounce: `blocked` may be the message's or the sender's fault."""
    if find_text(event, "type") != "blocked":
        return "hard"
    return "content" if (find_text(event, "bounce_classification") or "").lower() in _CONTENT else "soft"
