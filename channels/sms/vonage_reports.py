"""Callbacks of Vonage: what became of messages, and messages of people.

https://developer.vonage.com/en/getting-started/concepts/webhooks
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from channels.phone_texts import read_text
from channels.report_fields import find_id, find_instant, find_text, read_object
from channels.signatures import verify_signed_digest
from domain.errors import InvalidRequestError
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.vonage import VonageModel
from domain.sending.reports import Bounce, Callback, IncomingReport, ProviderReport, ReportKind, ReportReader

_KINDS: Final[Mapping[str, ReportKind]] = {
    "submitted": "accepted",
    "delivered": "delivered",
    "read": "opened",
    "rejected": "bounced",
    "undeliverable": "bounced",
}
# https://developer.vonage.com/en/api-errors/messages: the number does not exist, or takes no texts.
_HARD_CODES: Final = frozenset({"1110", "1210", "1300"})
# The carrier or the person blocks the sender or its words.
_CONTENT_CODES: Final = frozenset({"1010", "1020", "1030", "1060", "1120", "1140", "1150", "1160", "1170", "1180"})


def open_reader(settings: VonageModel, secrets: ProviderSecrets) -> ReportReader | None:
    """Open the reader of an account's callbacks; None without `callback_secret`."""
    if settings.callback_secret is None:
        return None
    secret = secrets.for_own_use(settings.callback_secret)

    async def read(callback: Callback, now: datetime) -> list[IncomingReport]:
        verify_signed_digest(secret, callback.headers, callback.body, now)
        data = read_object(callback.body)
        if data is None:
            raise InvalidRequestError("the body is not a JSON object")
        found = read_callback(data, now)
        return [] if found is None else [found]

    return read


def read_callback(data: dict[str, Any], now: datetime) -> IncomingReport | None:
    """Return the report or the text of a callback; None for a state without one."""
    id = find_text(data, "message_uuid") or ""
    status = find_text(data, "status")
    if status is None:
        return read_text(f"text {id}", find_text(data, "from"), find_text(data, "text"), now, id)
    kind = _KINDS.get(status)
    if kind is None:
        return None
    # The error's page names its code: https://developer.vonage.com/api-errors/messages#1020
    code = (find_text(data, "error", "type") or "").rpartition("#")[2]
    return ProviderReport(
        kind=kind,
        event_id=f"{id} {status}",
        message_id=find_id(data, "client_ref"),
        at=find_instant(data, "timestamp") or now,
        provider_id=id or None,
        bounce=_judge(code) if kind == "bounced" else None,
        detail=f"error {code}" if code.isdigit() else None,
    )


def _judge(code: str) -> Bounce:
    if code in _HARD_CODES:
        return "hard"
    return "content" if code in _CONTENT_CODES else "soft"
