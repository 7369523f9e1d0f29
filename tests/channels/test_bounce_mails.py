"""Bounces and complaints by mail, as mail servers write them, and mails that are neither."""

from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from uuid import uuid4

import pytest

from channels.email.incoming_mails import read_incoming
from domain.sending.incoming_mail import Automatic, IncomingMail, ReportedByMail, Unassigned
from domain.sending.receiving import ReceivingDomain
from domain.sending.reports import ProviderReport
from tests.channels.recorded_callbacks import MESSAGE, NOW
from tests.generated import LINK_SECRET

RETURNS = ReceivingDomain("bounces.example.com", (LINK_SECRET,))

RETURNED = f"""Received: from shop.example.com
Message-ID: <{MESSAGE}@shop.example.com>
X-Sojourn-Message: {MESSAGE}
From: Example Shop <hello@shop.example.com>
To: john@example.com
Subject: Your cart is waiting

"""
# As Postfix writes it.
NOTIFICATION = """Return-Path: <>
Date: Tue,  1 Dec 2026 12:59:00 +0100 (CET)
From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: hello@shop.example.com
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=REPORT; boundary="B.1/mx.example.net"

--B.1/mx.example.net
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.net.

--B.1/mx.example.net
Content-Type: MACHINE

FIELDS
--B.1/mx.example.net
Content-Type: ORIGINAL

RETURNED
--B.1/mx.example.net--
"""


def mail(machine: str, fields: str, original: str = "message/rfc822", returned: str = RETURNED) -> bytes:
    kind = machine.removeprefix("message/")
    text = NOTIFICATION.replace("report-type=REPORT", f"report-type={kind}").replace("MACHINE", machine)
    return text.replace("FIELDS", fields).replace("ORIGINAL", original).replace("RETURNED", returned).encode()


def notification(action: str, status: str, **more: str) -> bytes:
    fields = f"""Reporting-MTA: dns; mx.example.net
X-Postfix-Queue-ID: 4F2C
Arrival-Date: Tue,  1 Dec 2026 12:00:00 +0100 (CET)

Final-Recipient: rfc822; john@example.com
Original-Recipient: rfc822;john@example.com
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 {status} <john@example.com>: no such user
"""
    return mail("message/delivery-status", fields, **more)


def read(body: bytes, recipient: str | None = "hello@shop.example.com", sender: str = "") -> IncomingMail:
    return read_incoming(body, [LINK_SECRET], NOW, recipient=recipient, sender=sender)


def report_of(body: bytes, recipient: str | None = "hello@shop.example.com") -> ProviderReport:
    mail = read(body, recipient)
    assert isinstance(mail, ReportedByMail)
    return mail.report


@pytest.mark.parametrize(
    ("action", "status", "kind", "bounce"),
    [
        ("failed", "5.1.1", "bounced", "hard"),
        ("failed", "5.0.0", "bounced", "hard"),
        ("failed", "5.2.1", "bounced", "hard"),
        ("failed (mailbox is gone)", "5.1.10 (null MX)", "bounced", "hard"),
        ("Failed", "5.2.2", "bounced", "soft"),
        ("failed", "4.4.7", "bounced", "soft"),
        ("failed", "5.4.1 (no answer)", "bounced", "soft"),
        # The fault of the sender.
        ("failed", "5.1.8", "bounced", "content"),
        ("failed", "5.1.0", "bounced", "content"),
        ("failed", "5.1.90", "bounced", "content"),
        # These prove nothing.
        ("failed", "2.0.0", "bounced", "soft"),
        ("failed", "unknown", "bounced", "soft"),
        ("failed", "5.2.3", "bounced", "content"),
        ("failed", "5.7.1", "bounced", "content"),
        ("failed", "5.6.0", "bounced", "content"),
        ("delayed", "4.4.1", "deferred", None),
        ("delivered", "2.0.0", "delivered", None),
        ("relayed", "2.0.0", None, None),
    ],
)
@pytest.mark.parametrize("original", ["message/rfc822", "text/rfc822-headers"])
def test_a_notification_is_a_report(
    action: str, status: str, kind: str | None, bounce: str | None, original: str
) -> None:
    body = notification(action, status, original=original)
    if kind is None:
        assert read(body) == Automatic()
        return
    report = report_of(body)
    assert (report.kind, report.bounce, report.message_id) == (kind, bounce, MESSAGE)
    assert report.at == datetime(2026, 12, 1, 11, 59, tzinfo=UTC)
    # Nothing of the recipient.
    assert "john" not in repr(report)


@pytest.mark.parametrize(
    "date", ["no date", "1 Jan 99999999999999999999 00:00:00 +0000", "1 Jan 2026 00:00:00 +" + "9" * 30]
)
def test_a_notification_without_a_date_is_of_now(date: str) -> None:
    body = notification("failed", "5.1.1").replace(b"Tue,  1 Dec 2026 12:59:00 +0100 (CET)", date.encode(), 1)
    assert report_of(body).at == NOW


def test_an_abuse_report_is_a_complaint() -> None:
    fields = "Feedback-Type: {}\nUser-Agent: SomeGenerator/1.0\nVersion: 1\n"
    report = report_of(mail("message/feedback-report", fields.format("abuse")))
    assert (report.kind, report.message_id) == ("complained", MESSAGE)
    assert read(mail("message/feedback-report", fields.format("not-spam"))) == Automatic()


def test_the_signed_address_comes_before_what_the_report_returns() -> None:
    other = uuid4()
    address = RETURNS.address("bounce", other)
    body = notification("failed", "5.1.1")
    assert report_of(body, address).message_id == other
    # A pipe that does not say the recipient: the headers do.
    redirected = body.replace(b"To: hello@shop.example.com", f"To: {address}".encode(), 1)
    assert report_of(redirected, None).message_id == other
    forged = address.replace(address[8], "a" if address[8] != "a" else "b")
    assert report_of(body, forged).message_id == MESSAGE


def test_a_report_that_returns_nothing_is_assigned_by_its_address_alone() -> None:
    nothing = notification("failed", "5.1.1", returned="")
    assert report_of(nothing, RETURNS.address("bounce", MESSAGE)).message_id == MESSAGE
    assert read(nothing) == Unassigned("a report that names no message", is_refusable=False)


def test_the_message_id_of_the_returned_mail_counts_and_no_other() -> None:
    without = RETURNED.replace(f"X-Sojourn-Message: {MESSAGE}\n", "")
    for original in ("message/rfc822", "text/rfc822-headers"):
        assert report_of(notification("failed", "5.1.1", original=original, returned=without)).message_id == MESSAGE
    # That of the report itself, or what it answers, says nothing.
    foreign = notification("failed", "5.1.1", returned="Subject: Your cart\n\n")
    claims = f"In-Reply-To: <{MESSAGE}@shop.example.com>\nMessage-ID: <{MESSAGE}@mx.example.net>\nFrom: MAILER".encode()
    assert isinstance(read(foreign.replace(b"From: MAILER", claims, 1)), Unassigned)


def test_other_mails_are_no_reports() -> None:
    away = EmailMessage(policy=policy.SMTP)
    away["Auto-Submitted"], away["X-Sojourn-Message"] = "auto-replied", str(MESSAGE)
    away.set_content("I am away.")
    foreign = notification("failed", "5.1.1", returned=RETURNED.replace(str(MESSAGE), "an-id-of-another"))
    nested = b"Content-Type: multipart/report; boundary=b\n\n--b\n" + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (number, number) for number in range(5_000)
    )
    receipt = mail("message/disposition-notification", "Disposition: manual-action; displayed\n")
    for body in (bytes(away), foreign, nested, receipt, b"", b"\xff\x00", b"Content-Type: multipart/report\n\n"):
        assert isinstance(read(body), Automatic | Unassigned)
    assert read(receipt, RETURNS.address("reply", MESSAGE)) == Automatic()


QMAIL = """From: MAILER-DAEMON@mx.example.net
Subject: failure notice

Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<john@example.com>:
PARAGRAPH

--- Below this line is a copy of the message.

Subject: Your cart (#5.7.1)
"""


@pytest.mark.parametrize(
    ("paragraph", "bounce", "detail"),
    [
        ("Sorry, no mailbox here by that name. (#5.1.1)", "hard", "5.1.1"),
        ("192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 unknown\nGiving up.", "hard", "5.1.1"),
        ("192.0.2.1 failed after I sent the message.\nRemote host said: 554 5.7.1 refused", "content", "5.7.1"),
        ("user over quota. (#5.2.2)", "soft", "5.2.2"),
        # Neither proves that there is no such mailbox.
        ("Remote host said: 550 no", "soft", "qmail"),
        ("I wasn't able to establish an SMTP connection. (#4.4.1)", "soft", "qmail"),
    ],
)
def test_a_bounce_of_qmail_is_judged_by_the_status_that_it_quotes(paragraph: str, bounce: str, detail: str) -> None:
    body = QMAIL.replace("PARAGRAPH", paragraph).encode()
    report = report_of(body, RETURNS.address("bounce", MESSAGE))
    assert (report.kind, report.message_id, report.bounce, report.detail) == ("bounced", MESSAGE, bounce, detail)
    assert report.by_mail
    # Its signed address alone names the message.
    assert read(body) == Automatic()


def test_a_bounce_in_a_form_of_its_own_is_kept_for_people() -> None:
    body = b"From: MAILER-DAEMON@mx.example.net\nSubject: failure notice\n\nYour mail was not delivered.\n"
    address = RETURNS.address("bounce", MESSAGE)
    assert read(body, address) == Unassigned("a bounce in a form of its own", is_refusable=False)
    vacation = body.replace(b"MAILER-DAEMON", b"john")
    assert read(vacation, address) == Automatic()
    # A person who writes to it is told.
    assert read(vacation, address, sender="john@mx.example.net") == Unassigned(
        "a mail to an address that takes bounces alone"
    )


def test_a_bounce_that_several_servers_report_is_one() -> None:
    first, second = (report_of(notification("failed", status)) for status in ("5.1.1", "5.1.1 (again)"))
    assert first == second
