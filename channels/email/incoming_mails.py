"""Read mails that come back: reports of servers, replies, unsubscriptions."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from email.errors import MessageError
from email.message import Message
from email.utils import getaddresses
from hashlib import sha256
from typing import Final, assert_never
from uuid import UUID

from channels.email.automatic_mails import is_automatic, is_automatic_response, is_from_mailer
from channels.email.bounce_mails import is_report, read_qmail, read_report
from channels.email.mail_parser import parse_mail
from channels.email.reply_text import decode, read_reply
from domain.people.addresses import Mailbox, parse_email
from domain.sending.incoming_mail import AskedToUnsubscribe, Automatic, IncomingMail, Replied, Unassigned
from domain.sending.receiving import Addressee, read_address
from domain.sending.reports import ProviderReport

# For a pipe that does not say which address a mail came to.
_ADDRESSES: Final = ("Delivered-To", "X-Original-To", "To", "Cc")
MAX_ADDRESSES: Final = 100


def read_incoming(
    body: bytes, secrets: Sequence[str], now: datetime, *, recipient: str | None, sender: str | None
) -> IncomingMail:
    """Return what a mail is; `recipient` and `sender` are the envelope's, if known.

    One of the `secrets` has signed the address that it came to. Takes up to a second for a hostile mail.
    """
    try:
        mail = parse_mail(body)
        return _read(mail, _find_addressee(mail, secrets, recipient), body, sender, now)
    except (MessageError, RecursionError, ValueError, LookupError):
        # Parts within parts, more than any program writes, or headers beyond repair.
        return Unassigned("a mail that cannot be read")


def _read(mail: Message, addressee: Addressee | None, body: bytes, sender: str | None, now: datetime) -> IncomingMail:
    purpose = None if addressee is None else addressee.purpose
    if is_report(mail) and purpose != "unsubscribe":
        return read_report(mail, None if addressee is None else addressee.message_id, now)
    if addressee is not None and addressee.purpose == "unsubscribe":
        if is_report(mail) or is_automatic_response(mail, sender):
            return Automatic()
        return AskedToUnsubscribe(addressee.message_id)
    subject = decode(mail.get("Subject", ""))
    if mail.get_content_type() == "multipart/report" or is_automatic(mail, sender, subject):
        if addressee is None or purpose != "bounce" or not is_from_mailer(mail) or "Auto-Submitted" in mail:
            return Automatic()
        known = read_qmail(mail, addressee.message_id, now)
        return known or Unassigned("a bounce in a form of its own", is_refusable=False)
    match addressee:
        case Addressee(purpose="reply", message_id=id):
            return _reply(mail, id, body, now)
        case Addressee():
            return Unassigned("a mail to an address that takes bounces alone")
        case None:
            return Unassigned("a mail that answers no message")
        case _:
            assert_never(addressee)


def _reply(mail: Message, message_id: UUID, body: bytes, now: datetime) -> Replied:
    # A server that delivers it again sends the same one.
    said = str(mail["Message-ID"]).encode(errors="replace") if "Message-ID" in mail else body
    event_id = f"replied {message_id} {sha256(said).hexdigest()[:32]}"
    # At its arrival: the clock of a person's machine may be wrong, and an exit counts from now on.
    report = ProviderReport(kind="replied", event_id=event_id, message_id=message_id, at=now, reply=read_reply(mail))
    return Replied(report, _find_author(mail))


def _find_author(mail: Message) -> Mailbox | None:
    """Return where to answer a mail (RFC 5322, 3.6.2)."""
    for name in ("Reply-To", "From"):
        for shown, address in getaddresses([str(one) for one in mail.get_all(name, [])[:1]])[:1]:
            if (parsed := parse_email(address)) is not None:
                return Mailbox(decode(shown).replace('"', ""), parsed)
    return None


def _find_addressee(mail: Message, secrets: Sequence[str], recipient: str | None) -> Addressee | None:
    candidates = _list_addresses(mail) if recipient is None else iter([recipient])
    found = (read_address(secrets, address) for address in candidates)
    return next((one for one in found if one is not None), None)


def _list_addresses(mail: Message) -> Iterator[str]:
    for name in _ADDRESSES:
        headers = [str(one) for one in mail.get_all(name, [])[:MAX_ADDRESSES]]
        for _, address in getaddresses(headers)[:MAX_ADDRESSES]:
            yield address
