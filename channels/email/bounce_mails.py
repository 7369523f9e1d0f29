"""Bounces and complaints that come by mail.

https://www.rfc-editor.org/rfc/rfc3464 (delivery status), https://www.rfc-editor.org/rfc/rfc5965 (abuse reports)

A mail server that sends for Sojourn has no callbacks: it reports to the address that the mail was from. A report finds
its message by that address, which is signed, else by what it returns of the mail.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Final
from uuid import UUID

from channels.email.content import MESSAGE_HEADER
from channels.email.mail_parser import parse_mail
from channels.email.status_codes import judge_status
from domain.sending.incoming_mail import Automatic, ReportedByMail, Unassigned
from domain.sending.reports import Bounce, ProviderReport, ReportKind

MAX_PARTS: Final = 50
_QMAIL: Final = re.compile(r"\s*Hi\. This is the ")
_QMAIL_STATUS: Final = re.compile(r"\(#(5\.\d{1,3}\.\d{1,3})\)|said: 5\d\d[ -](5\.\d{1,3}\.\d{1,3})\b")
_QMAIL_COPY: Final = "--- Below this line is a copy of the message."
_REPORTS: Final = frozenset({"message/delivery-status", "message/feedback-report"})
_OWN_MESSAGE_ID: Final = re.compile(r"<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@", re.IGNORECASE)


def is_report(mail: Message) -> bool:
    """Return whether a mail is the report of a server about another mail."""
    return mail.get_content_type() == "multipart/report" and any(
        part.get_content_type() in _REPORTS for part in _list_parts(mail)
    )


def read_report(mail: Message, message_id: UUID | None, now: datetime) -> ReportedByMail | Automatic | Unassigned:
    """Return what a report says; `message_id` is that of its signed address, if any."""
    # The first part is the report itself.
    parts = list(_list_parts(mail))[1:]
    known = message_id or _find_message(parts)
    for part in parts:
        fields = _read_fields(part)
        kind: ReportKind | None = None
        status = "abuse"
        if part.get_content_type() == "message/feedback-report" and fields.get("feedback-type") == "abuse":
            kind = "complained"
        elif part.get_content_type() == "message/delivery-status" and fields.get("status"):
            # A comment may follow either.
            action = fields.get("action", "").partition("(")[0].strip()
            kind, status = _KINDS.get(action), fields["status"].split()[0]
        if kind is None:
            continue
        if known is None:
            return Unassigned("a report that names no message", is_refusable=False)
        bounce = judge_status(status) if kind == "bounced" else None
        return ReportedByMail(_build(kind, known, status, bounce, _date(mail, now)))
    return Automatic()


def _find_message_id(*headers: object) -> UUID | None:
    """Return the first of our ids in headers."""
    found = (_OWN_MESSAGE_ID.search(str(header)) for header in headers if header is not None)
    return next((UUID(one[1]) for one in found if one is not None), None)


def read_qmail(mail: Message, message_id: UUID, now: datetime) -> ReportedByMail | None:
    """Return what a bounce of qmail says of a message; None for other mails.

    It names none itself: `message_id` is that of the signed address that it came to.

    https://cr.yp.to/proto/qsbmf.txt
    """
    payload = mail.get_payload(decode=True)
    text = payload.decode("latin-1") if isinstance(payload, bytes) else ""
    if _QMAIL.match(text) is None:
        return None
    # It gives up for good, and says by the status of the recipient's server why.
    said = _QMAIL_STATUS.search(text.partition(_QMAIL_COPY)[0])
    status = "" if said is None else said[1] or said[2]
    return ReportedByMail(_build("bounced", message_id, status or "qmail", judge_status(status), _date(mail, now)))


_KINDS: Final[dict[str, ReportKind]] = {"failed": "bounced", "delayed": "deferred", "delivered": "delivered"}


def _build(kind: ReportKind, message_id: UUID, detail: str, bounce: Bounce | None, at: datetime) -> ProviderReport:
    # Servers on the way may send several: one of a kind is enough.
    event_id = f"{kind} {message_id} {detail}"
    return ProviderReport(
        kind=kind, event_id=event_id, message_id=message_id, at=at, bounce=bounce, detail=detail, by_mail=True
    )


def _list_parts(mail: Message) -> Iterator[Message]:
    """Iterate over the parts of a report, and of the mail that it returns."""
    for number, part in enumerate(mail.walk()):
        if number >= MAX_PARTS:
            return
        yield part


def _find_message(parts: Sequence[Message]) -> UUID | None:
    """Return our id in the returned headers, of a mail or of a text of headers."""
    returned = [*parts, *(_parse_headers(part) for part in parts if part.get_content_type() == "text/rfc822-headers")]
    for part in returned:
        try:
            return UUID(str(part[MESSAGE_HEADER]).strip())
        except ValueError:
            continue
    return _find_message_id(*(part["Message-ID"] for part in returned))


def _read_fields(part: Message) -> dict[str, str]:
    """Return the fields of a machine-readable part, those of the last recipient."""
    payload = part.get_payload()
    blocks = payload if isinstance(payload, list) else [_parse_headers(part)]
    return {
        name.lower(): str(value).strip().lower()
        for block in blocks
        if isinstance(block, Message)
        for name, value in block.items()
    }


def _parse_headers(part: Message) -> Message:
    decoded = part.get_payload(decode=True)
    return parse_mail(decoded if isinstance(decoded, bytes) else b"")


def _date(mail: Message, now: datetime) -> datetime:
    try:
        at = parsedate_to_datetime(str(mail.get("Date", "")))
    except (ValueError, OverflowError):
        return now
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
