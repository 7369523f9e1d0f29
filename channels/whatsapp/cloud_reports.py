"""Callbacks of the WhatsApp Cloud API: reports, and what people write and choose.

https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components

The signature has no time: a repeated callback has the ids of the first.
"""

import hmac
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from channels.phone_texts import read_sender, read_text
from channels.report_fields import find, find_id, find_instant, find_items, find_text, read_object
from channels.signatures import refuse, verify_hex_hmac
from domain.errors import InvalidRequestError
from domain.sending.incoming_texts import IncomingText, MarketingChoice, Word, find_word
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.whatsapp import WhatsAppModel
from domain.sending.reports import Callback, IncomingReport, ProviderReport, ReportKind, ReportReader

_KINDS: Final[Mapping[str, ReportKind]] = {
    "sent": "accepted",
    "delivered": "delivered",
    "read": "opened",
    "failed": "bounced",
}
# The number is not one of WhatsApp. All others concern the message: 131049 says "not today".
_HARD_CODES: Final = frozenset({"131026"})
_MARKETING_STOPPED_CODE: Final = "131050"
# Where each type of message has its text. All other types are left out: reactions, and messages of the system.
_TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text", "body"),
    "button": ("button", "text"),
    "image": ("image", "caption"),
    "video": ("video", "caption"),
    "document": ("document", "caption"),
    "audio": ("audio", "caption"),
    "sticker": ("sticker", "caption"),
    "location": ("location", "name"),
    "contacts": ("contacts",),
    "order": ("order", "text"),
}
_CHOICES: Final[Mapping[str, bool]] = {"stop": False, "resume": True}


def open_reader(settings: WhatsAppModel, secrets: ProviderSecrets) -> ReportReader | None:
    """Open the reader of a number's callbacks; None without `callback_secret`."""
    if settings.callback_secret is None:
        return None
    secret = secrets.for_own_use(settings.callback_secret)

    async def read(callback: Callback, now: datetime) -> list[IncomingReport]:
        signature = callback.headers.get("x-hub-signature-256", "")
        if not signature.startswith("sha256="):
            raise refuse("it has no signature")
        verify_hex_hmac(secret, callback.body, signature.removeprefix("sha256="))
        data = read_object(callback.body)
        if data is None:
            raise InvalidRequestError("the body is not a JSON object")
        return list(read_callback(data, settings.number, now))

    return read


def answer_challenge(settings: WhatsAppModel, secrets: ProviderSecrets, query: Mapping[str, str]) -> str | None:
    """Return the challenge by which the app verifies the address; None without one.

    Raises UnverifiedCallbackError for another token.
    """
    if settings.verify_token is None or query.get("hub.mode") != "subscribe":
        return None
    secret = secrets.for_own_use(settings.verify_token)
    if not hmac.compare_digest(query.get("hub.verify_token", "").encode(errors="replace"), secret.encode()):
        raise refuse("its token is another one")
    return query.get("hub.challenge", "")


def read_callback(data: Mapping[str, Any], number: str, now: datetime) -> Iterator[IncomingReport]:
    """Iterate over what a callback brings for one number of the account."""
    for entry in find_items(find(data, "entry")):
        for change in find_items(find(entry, "changes")):
            value = find(change, "value")
            # The callbacks of an app are those of all its numbers.
            if find_text(value, "metadata", "phone_number_id") != number:
                continue
            for status in find_items(find(value, "statuses")):
                yield from _read_status(status, now)
            for message in find_items(find(value, "messages")):
                if (text := _read_message(message, now)) is not None:
                    yield text
            for choice in find_items(find(value, "user_preferences")):
                if (made := _read_choice(choice, now)) is not None:
                    yield made


def _read_status(status: Any, now: datetime) -> Iterator[ProviderReport]:
    id, kind = find_text(status, "id"), _KINDS.get(find_text(status, "status") or "")
    if id is None or kind is None:
        return
    code = find_text(status, "errors", 0, "code") or ""
    at, message_id = _find_time(status, now), find_id(status, "biz_opaque_callback_data")
    yield ProviderReport(
        kind=kind,
        event_id=f"{id} {find_text(status, 'status')}",
        message_id=message_id,
        at=at,
        provider_id=id,
        bounce=("hard" if code in _HARD_CODES else "content") if kind == "bounced" else None,
        detail=f"error {code}" if code.isdigit() else None,
    )
    if kind == "bounced" and code == _MARKETING_STOPPED_CODE:
        yield ProviderReport(
            kind="unsubscribed", event_id=f"{id} stopped", message_id=message_id, at=at, provider_id=id
        )


def _read_message(message: Any, now: datetime) -> IncomingText | None:
    id, type = find_text(message, "id"), find_text(message, "type") or ""
    if id is None:
        return None
    word: Word | None = None
    if type == "interactive":
        reply = find(message, "interactive", find_text(message, "interactive", "type") or "")
        text, payload = find_text(reply, "title"), find_text(reply, "id")
    elif type in _TEXTS:
        text, payload = find_text(message, *_TEXTS[type]), find_text(message, "button", "payload")
    else:
        return None
    word = find_word(payload or "", is_alone=True)
    age = max(now - _find_time(message, now), timedelta(0))
    return read_text(f"text {id}", find_text(message, "from"), text, now, id, word, age=age, is_chat=True)


def _read_choice(choice: Any, now: datetime) -> MarketingChoice | None:
    sender, value = read_sender(find_text(choice, "wa_id")), find_text(choice, "value") or ""
    if sender is None or value not in _CHOICES or find_text(choice, "category") != "marketing_messages":
        return None
    at = _find_time(choice, now)
    return MarketingChoice(
        event_id=f"{value} {sender} {at.timestamp():.0f}",
        sender=sender,
        is_wanted=_CHOICES[value],
        age=max(now - at, timedelta(0)),
    )


def _find_time(data: Any, now: datetime) -> datetime:
    """Return the time of an item, in seconds since 1970 and as text; else now."""
    written = find_text(data, "timestamp") or ""
    is_number = written.isascii() and written.isdigit() and len(written) < 16
    return (find_instant([int(written)], 0) if is_number else None) or now
