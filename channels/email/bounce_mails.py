"""Bounces and complaints that come by mail.

https://www.rfc-editor.org/rfc/rfc3464 (delivery status), https://www.rfc-editor.org/rfc/rfc5965 (abuse reports)

A mail server that sends for Sojourn has no callbacks. The mailbox of its senders pipes such mails to the callbacks of
the provider, with `callback_secret` as a bearer token. A report finds its message by the header that every mail
carries, in the part of it that is returned.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Final
from uuid import UUID

from channels.email.content import MESSAGE_HEADER
from channels.signatures import verify_shared_secret
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.smtp import SmtpModel
from domain.sending.reports import Bounce, Callback, ProviderReport, ReportKind, ReportReader

# By subject and detail of the status (RFC 3463): what the message or its sender is, and what passes.
_CONTENT: Final = ("5.2.3", "5.3.4", "5.6.", "5.7.")
_SOFT: Final = ("5.2.2", "5.3.", "5.4.", "5.5.")
MAX_PARTS: Final = 50


def open_reader(settings: SmtpModel, secrets: ProviderSecrets) -> ReportReader | None:
    """Open the reader of a mailbox; None without `callback_secret`."""
    if settings.callback_secret is None:
        return None
    secret = secrets.for_own_use(settings.callback_secret)

    async def read(callback: Callback, now: datetime) -> list[ProviderReport]:
        verify_shared_secret(callback.headers, secret)
        # Anyone can send a mail to the mailbox, also one that takes long to parse.
        report = await asyncio.to_thread(read_mail, callback.body, now)
        return [] if report is None else [report]

    return read


def read_mail(body: bytes, now: datetime) -> ProviderReport | None:
    """Return the report of a mail; None for any other, such as an automatic reply."""
    try:
        mail = message_from_bytes(body, policy=policy.compat32)
    except RecursionError:
        # Parts within parts, more than any server writes.
        return None
    if mail.get_content_type() != "multipart/report":
        return None
    parts = list(_list_parts(mail))
    message_id = next((id for part in parts if (id := _find_id(part)) is not None), None)
    if message_id is None:
        return None
    for part in parts:
        fields = _read_fields(part)
        if part.get_content_type() == "message/feedback-report" and fields.get("feedback-type") == "abuse":
            return _build("complained", message_id, "abuse", None, _date(mail, now))
        if part.get_content_type() == "message/delivery-status" and (status := fields.get("status")):
            kind = _KINDS.get(fields.get("action", ""))
            if kind is not None:
                bounce = _judge(status) if kind == "bounced" else None
                return _build(kind, message_id, status.split()[0], bounce, _date(mail, now))
    return None


_KINDS: Final[dict[str, ReportKind]] = {"failed": "bounced", "delayed": "deferred", "delivered": "delivered"}


def _build(kind: ReportKind, message_id: UUID, detail: str, bounce: Bounce | None, at: datetime) -> ProviderReport:
    # Servers on the way may send several: one of a kind is enough.
    event_id = f"{kind} {message_id} {detail}"
    return ProviderReport(kind=kind, event_id=event_id, message_id=message_id, at=at, bounce=bounce, detail=detail)


def _judge(status: str) -> Bounce:
    if status.startswith(_CONTENT):
        return "content"
    return "soft" if status.startswith(("4", *_SOFT)) else "hard"


def _list_parts(mail: Message) -> Iterator[Message]:
    """Iterate over the parts of a report, and of the mail that it returns."""
    for number, part in enumerate(mail.walk()):
        if number >= MAX_PARTS:
            return
        yield part


def _find_id(part: Message) -> UUID | None:
    """Return our id in the returned headers, of a mail or of a text of headers."""
    said = part.get(MESSAGE_HEADER)
    if said is None and part.get_content_type() == "text/rfc822-headers":
        said = message_from_bytes(_payload(part), policy=policy.compat32).get(MESSAGE_HEADER)
    try:
        return UUID(str(said or "").strip())
    except ValueError:
        return None


def _read_fields(part: Message) -> dict[str, str]:
    """Return the fields of a machine-readable part, those of the last recipient."""
    payload = part.get_payload()
    blocks = payload if isinstance(payload, list) else [message_from_bytes(_payload(part), policy=policy.compat32)]
    return {
        name.lower(): str(value).strip().lower()
        for block in blocks
        if isinstance(block, Message)
        for name, value in block.items()
    }


def _payload(part: Message) -> bytes:
    decoded = part.get_payload(decode=True)
    return decoded if isinstance(decoded, bytes) else b""


def _date(mail: Message, now: datetime) -> datetime:
    try:
        at = parsedate_to_datetime(str(mail.get("Date", "")))
    except ValueError:
        return now
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
