"""Callbacks of Postmark.

https://postmarkapp.com/developer/webhooks/webhooks-overview

They are not signed: the webhook's Basic authorization, with `callback_secret` as its password, says whose they are.
"""

from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from channels.report_fields import find, find_id, find_instant, find_text, read_object
from channels.signatures import verify_shared_secret
from domain.errors import InvalidRequestError
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.postmark import PostmarkModel
from domain.sending.reports import Bounce, Callback, ProviderReport, ReportKind, ReportReader

# https://postmarkapp.com/developer/api/bounce-api#bounce-types
_BOUNCES: Final[dict[str, Bounce]] = {
    "HardBounce": "hard",
    "BadEmailAddress": "hard",
    "ManuallyDeactivated": "hard",
    "Blocked": "content",
    "DMARCPolicy": "content",
    "SpamNotification": "content",
    "TemplateRenderingFailed": "content",
    "VirusNotification": "content",
}
# Answers of programs to a mail that has arrived.
_NO_BOUNCES: Final = frozenset(
    {"AddressChange", "AutoResponder", "ChallengeVerification", "OpenRelayTest", "Subscribe", "Unconfirmed"}
)
_KINDS_OF_BOUNCES: Final[dict[str, ReportKind]] = {"SpamComplaint": "complained", "Unsubscribe": "unsubscribed"}
_OTHER_KINDS: Final[dict[str, tuple[ReportKind, str]]] = {
    "Delivery": ("delivered", "DeliveredAt"),
    "SpamComplaint": ("complained", "BouncedAt"),
    "Open": ("opened", "ReceivedAt"),
    "Click": ("clicked", "ReceivedAt"),
}


def open_reader(settings: PostmarkModel, secrets: ProviderSecrets) -> ReportReader | None:
    """Open the reader of a server's webhooks; None without `callback_secret`."""
    if settings.callback_secret is None:
        return None
    secret = secrets.for_own_use(settings.callback_secret)

    async def read(callback: Callback, now: datetime) -> list[ProviderReport]:
        verify_shared_secret(callback.headers, secret)
        data = read_object(callback.body)
        if data is None:
            raise InvalidRequestError("the body is not a JSON object")
        report = read_report(data, sha256(callback.body).hexdigest(), now)
        return [] if report is None else [report]

    return read


def read_report(data: dict[str, Any], digest: str, now: datetime) -> ProviderReport | None:
    """Return the report of a webhook's body; None for a kind without one."""
    record, type = find_text(data, "RecordType") or "", find_text(data, "Type") or ""
    kind: ReportKind
    bounce: Bounce | None = None
    if record == "Bounce":
        if type in _NO_BOUNCES:
            return None
        kind, time = _KINDS_OF_BOUNCES.get(type, "bounced"), "BouncedAt"
        bounce = _BOUNCES.get(type, "soft") if kind == "bounced" else None
    elif record == "SubscriptionChange":
        is_their_own = find_text(data, "SuppressionReason") == "ManualSuppression"
        if not (find(data, "SuppressSending") is True and is_their_own):
            # Bounces and complaints have callbacks of their own.
            return None
        kind, time = "unsubscribed", "ChangedAt"
    elif record in _OTHER_KINDS:
        kind, time = _OTHER_KINDS[record]
    else:
        return None
    # Only bounces and complaints have an id.
    id = find_text(data, "ID")
    return ProviderReport(
        kind=kind,
        event_id=f"{record} {id}" if id is not None else digest,
        message_id=find_id(data, "Metadata", "message_id"),
        at=find_instant(data, time) or now,
        provider_id=find_text(data, "MessageID"),
        bounce=bounce,
        user_agent=find_text(data, "UserAgent"),
        link=find_text(data, "OriginalLink") if kind == "clicked" else None,
        detail=type or None,
    )
