"""Callbacks of Mailgun.

https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads

The signature covers a time and a token, and not the event. So the token is the id of the report: who has seen a
callback can repeat it, and report nothing else by it.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from channels.email.status_codes import judge_status
from channels.report_fields import find_id, find_instant, find_text, read_object
from channels.signatures import check_age, read_epoch, refuse, verify_hex_hmac
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.mailgun import MailgunModel
from domain.sending.reports import Bounce, Callback, ProviderReport, ReportKind, ReportReader

# It repeats a callback for eight hours; a token that was used is known for 30 days.
MAX_AGE: Final = timedelta(hours=9)

_KINDS: Final[dict[str, ReportKind]] = {
    "accepted": "accepted",
    "delivered": "delivered",
    "opened": "opened",
    "clicked": "clicked",
    "complained": "complained",
    "unsubscribed": "unsubscribed",
    "rejected": "failed",
}
# Why a message `failed` for good: where it names an earlier report, Mailgun has sent nothing.
_FAILED: Final[dict[str, tuple[ReportKind, Bounce | None]]] = {
    "suppress-bounce": ("bounced", "hard"),
    "suppress-complaint": ("complained", None),
    "suppress-unsubscribe": ("unsubscribed", None),
    "espblock": ("bounced", "content"),
    "old": ("bounced", "soft"),
}


def open_reader(settings: MailgunModel, secrets: ProviderSecrets) -> ReportReader | None:
    """Open the reader of an account's webhooks; None without `callback_secret`.

    The secret is the account's signing key of webhooks.
    """
    if settings.callback_secret is None:
        return None
    key = secrets.for_own_use(settings.callback_secret)

    async def read(callback: Callback, now: datetime) -> list[ProviderReport]:
        data = read_object(callback.body)
        time, token, signature = (
            find_text(data, "signature", name) or "" for name in ("timestamp", "token", "signature")
        )
        if not token:
            raise refuse("it has no token")
        verify_hex_hmac(key, f"{time}{token}".encode(), signature)
        check_age(read_epoch(time), now, MAX_AGE)
        return [read_report(data, token, now)]

    return read


def read_report(data: Any, token: str, now: datetime) -> ProviderReport:
    """Return the report of a webhook's body.

    An unknown kind reports nothing, but its token is used as well: with another body, it would prove that one.
    """
    data = data.get("event-data")
    event, reason = find_text(data, "event") or "", find_text(data, "reason") or ""
    kind, bounce = _judge_failure(data, reason) if event == "failed" else (_KINDS.get(event, "other"), None)
    return ProviderReport(
        kind=kind,
        event_id=token,
        message_id=find_id(data, "user-variables", "message_id"),
        at=find_instant(data, "timestamp") or now,
        provider_id=find_text(data, "message", "headers", "message-id"),
        bounce=bounce,
        is_machine=bool(find_text(data, "client-info", "bot")),
        user_agent=find_text(data, "client-info", "user-agent"),
        link=find_text(data, "url") if kind == "clicked" else None,
        detail=" ".join(text for text in (reason, find_text(data, "delivery-status", "code")) if text) or None,
    )


def _judge_failure(data: Any, reason: str) -> tuple[ReportKind, Bounce | None]:
    """Return what a failure is.

    A temporary one is tried again by Mailgun, whose last try is permanent. Then the status of the recipient's server
    says whose fault it is, such as 5.7.1 for what a filter has refused.
    """
    if find_text(data, "severity") == "temporary":
        return "deferred", None
    if (known := _FAILED.get(reason)) is not None:
        return known
    status = find_text(data, "delivery-status", "enhanced-code")
    return "bounced", judge_status(status) if status else "hard"
