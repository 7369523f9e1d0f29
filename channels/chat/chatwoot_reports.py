"""Callbacks of Chatwoot, signed over time and body.

https://developers.chatwoot.com, "Webhooks": message_created, message_updated and conversation_status_changed.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from channels.report_fields import find, find_id, find_instant, find_text, read_object
from channels.signatures import check_age, read_epoch, refuse, verify_hex_hmac
from domain.errors import InvalidRequestError
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.chatwoot import ChatwootModel
from domain.sending.reports import Callback, ProviderReport, ReportReader

# An attribute of conversations: the message that has begun it.
ATTRIBUTE: Final = "sojourn_message_id"
MAX_AGE: Final = timedelta(minutes=5)
MAX_CHARACTERS: Final = 8_000


def open_reader(settings: ChatwootModel, secrets: ProviderSecrets) -> ReportReader | None:
    """Open the reader of an account's webhooks; None without `callback_secret`."""
    if settings.callback_secret is None:
        return None
    secret = secrets.for_own_use(settings.callback_secret)

    async def read(callback: Callback, now: datetime) -> list[ProviderReport]:
        time = callback.headers.get("x-chatwoot-timestamp", "")
        check_age(read_epoch(time), now, MAX_AGE)
        signature = callback.headers.get("x-chatwoot-signature", "")
        if not signature.startswith("sha256="):
            raise refuse("it has no signature")
        verify_hex_hmac(secret, time.encode() + b"." + callback.body, signature.removeprefix("sha256="))
        data = read_object(callback.body)
        if data is None:
            raise InvalidRequestError("the body is not a JSON object")
        report = read_report(data, now)
        return [] if report is None else [report]

    return read


def read_report(data: dict[str, Any], now: datetime) -> ProviderReport | None:
    """Return the report of a webhook's body; None for a kind without one."""
    event = find_text(data, "event")
    if event == "conversation_status_changed":
        return _read_resolution(data, now) if find_text(data, "status") == "resolved" else None
    message, id = find_id(data, "conversation", "custom_attributes", ATTRIBUTE), find_text(data, "id")
    if message is None or id is None:
        return None
    conversation = find_text(data, "conversation", "id")
    at = find_instant(data, "created_at") or now
    if event == "message_created" and find_text(data, "message_type") in ("incoming", "0"):
        return ProviderReport(
            kind="replied",
            event_id=f"message {id}",
            message_id=message,
            at=at,
            provider_id=conversation,
            data={"text": (find_text(data, "content") or "")[:MAX_CHARACTERS]},
        )
    rating = find(data, "content_attributes", "submitted_values", "csat_survey_response")
    if event == "message_updated" and isinstance(score := find(rating, "rating"), int):
        feedback = find_text(rating, "feedback_message")
        return ProviderReport(
            kind="rated",
            event_id=f"rating {id} {score} {bool(feedback)}",
            message_id=message,
            at=find_instant(data, "updated_at") or now,
            provider_id=conversation,
            data={"rating": score, **({"feedback": feedback[:MAX_CHARACTERS]} if feedback else {})},
        )
    return None


def _read_resolution(data: dict[str, Any], now: datetime) -> ProviderReport | None:
    message, conversation = find_id(data, "custom_attributes", ATTRIBUTE), find_text(data, "id")
    if message is None or conversation is None:
        return None
    changed = find_text(data, "updated_at") or find_text(data, "timestamp") or ""
    return ProviderReport(
        kind="resolved",
        event_id=f"resolved {conversation} {changed}",
        message_id=message,
        at=find_instant(data, "updated_at") or now,
        provider_id=conversation,
    )
