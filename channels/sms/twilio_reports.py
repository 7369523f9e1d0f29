"""Callbacks of Twilio: what became of messages, and messages of people.

https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs, urlsplit

from channels.phone_texts import read_text
from channels.report_fields import find_id
from channels.signatures import refuse, verify_twilio
from domain.sending.incoming_texts import Word, find_word
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.twilio import TwilioModel
from domain.sending.reports import Bounce, Callback, IncomingReport, ProviderReport, ReportKind, ReportReader

MAX_FIELDS: Final = 200

_KINDS: Final[Mapping[str, ReportKind]] = {
    "sent": "accepted",
    "delivered": "delivered",
    "read": "opened",
    "undelivered": "bounced",
    "failed": "bounced",
    "canceled": "failed",
}
# WhatsApp has no such number.
_HARD_CODES: Final = frozenset({"63003", "63024"})
# The number is not at fault: https://www.twilio.com/docs/api/errors
_CONTENT_CODES: Final = frozenset({"30001", "30002", "30004", "30007", "30010", "30032", "30034", "30410", "30456"})
_WORDS: Final[Mapping[str, Word]] = {"STOP": "stop", "START": "start", "HELP": "help"}


def open_reader(settings: TwilioModel, secrets: ProviderSecrets) -> ReportReader | None:
    """Open the reader of an account's callbacks; None without `callback_secret`."""
    if settings.callback_secret is None:
        return None
    secret = secrets.for_own_use(settings.callback_secret)

    async def read(callback: Callback, now: datetime) -> list[IncomingReport]:
        fields = _read_form(callback.body)
        verify_twilio(secret, callback.headers, callback.url, fields)
        found = read_fields({name: values[0] for name, values in fields.items()}, callback.url, now)
        return [] if found is None else [found]

    return read


def read_fields(fields: Mapping[str, str], url: str, now: datetime) -> IncomingReport | None:
    """Return the report or the text of a callback; None for a state without one."""
    id = fields.get("MessageSid") or fields.get("SmsSid") or ""
    status = fields.get("MessageStatus") or fields.get("SmsStatus") or "received"
    if status == "received":
        sender = fields.get("From", "")
        is_chat = sender.startswith("whatsapp:")
        word = _WORDS.get(fields.get("OptOutType", "")) or find_word(fields.get("ButtonPayload", ""), is_alone=True)
        return read_text(f"text {id}", sender, fields.get("Body"), now, id, word, is_chat=is_chat)
    kind = _KINDS.get(status)
    if kind is None:
        return None
    code = fields.get("ErrorCode")
    return ProviderReport(
        kind=kind,
        event_id=f"{id} {status}",
        message_id=find_id(parse_qs(urlsplit(url).query), "message_id", 0),
        at=now,
        provider_id=id or None,
        bounce=_judge(code) if kind == "bounced" else None,
        detail=f"error {code}" if code and code.isdigit() else None,
    )


def _judge(code: str | None) -> Bounce:
    if code in _HARD_CODES:
        return "hard"
    # Those of WhatsApp begin so: they say what is wrong with the message or the sender.
    return "content" if code in _CONTENT_CODES or (code or "").startswith("63") else "soft"


def _read_form(body: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise refuse("it is not a form") from error
