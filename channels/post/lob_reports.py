"""Callbacks of Lob, signed over time and body: https://docs.lob.com, "Webhooks"."""

from datetime import datetime, timedelta
from typing import Any, Final

from channels.report_fields import find_id, find_instant, find_text, read_object
from channels.signatures import check_age, read_epoch, refuse, verify_hex_hmac
from domain.errors import InvalidRequestError
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.lob import LobModel
from domain.sending.reports import Callback, ProviderReport, ReportKind, ReportReader

# By the second half of a type, as in `postcard.mailed`.
_KINDS: Final[dict[str, ReportKind]] = {
    "mailed": "accepted",
    "delivered": "delivered",
    "returned_to_sender": "bounced",
    "viewed": "opened",
    "rejected": "failed",
}
_FORMATS: Final = frozenset({"postcard", "letter"})
MAX_AGE: Final = timedelta(minutes=5)


def open_reader(settings: LobModel, secrets: ProviderSecrets) -> ReportReader | None:
    """Open the reader of an account's webhooks; None without `callback_secret`."""
    if settings.callback_secret is None:
        return None
    secret = secrets.for_own_use(settings.callback_secret)

    async def read(callback: Callback, now: datetime) -> list[ProviderReport]:
        time = callback.headers.get("lob-signature-timestamp", "")
        if not (time.isascii() and time.isdigit()):
            raise refuse("it has no time")
        # In milliseconds.
        check_age(read_epoch(time[:-3] or "0"), now, MAX_AGE)
        signature = callback.headers.get("lob-signature", "")
        verify_hex_hmac(secret, time.encode() + b"." + callback.body, signature)
        data = read_object(callback.body)
        if data is None:
            raise InvalidRequestError("the body is not a JSON object")
        report = read_report(data, now)
        return [] if report is None else [report]

    return read


def read_report(data: dict[str, Any], now: datetime) -> ProviderReport | None:
    """Return the report of a webhook's body; None for a kind without one."""
    type, id = find_text(data, "event_type", "id") or "", find_text(data, "id")
    format, _, happened = type.partition(".")
    kind = _KINDS.get(happened)
    if kind is None or format not in _FORMATS or not id:
        return None
    return ProviderReport(
        kind=kind,
        event_id=id,
        message_id=find_id(data, "body", "metadata", "message_id"),
        at=find_instant(data, "date_created") or now,
        provider_id=find_text(data, "body", "id"),
        # The carrier has not found the person there.
        bounce="hard" if kind == "bounced" else None,
        detail=type,
    )
