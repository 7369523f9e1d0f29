"""Bounces and complaints by mail, as mail servers write them, and mails that are neither."""

from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from uuid import UUID

import pytest

from channels.email.bounce_mails import open_reader, read_mail
from domain.errors import UnverifiedCallbackError
from domain.sending.outbound_secrets import BoundSecret
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.smtp import SmtpModel
from domain.sending.reports import Callback
from tests.channels.recorded_callbacks import MESSAGE, NOW, SECRET

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


@pytest.mark.parametrize(
    ("action", "status", "kind", "bounce"),
    [
        ("failed", "5.1.1", "bounced", "hard"),
        ("failed", "5.0.0", "bounced", "hard"),
        ("failed", "5.2.1", "bounced", "hard"),
        ("Failed", "5.2.2", "bounced", "soft"),
        ("failed", "4.4.7", "bounced", "soft"),
        ("failed", "5.4.1 (no answer)", "bounced", "soft"),
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
    report = read_mail(notification(action, status, original=original), NOW)
    if kind is None:
        assert report is None
        return
    assert report is not None
    assert (report.kind, report.bounce, report.message_id) == (kind, bounce, MESSAGE)
    assert report.at == datetime(2026, 12, 1, 11, 59, tzinfo=UTC)
    # Nothing of the recipient.
    assert "john" not in repr(report)


def test_an_abuse_report_is_a_complaint() -> None:
    fields = "Feedback-Type: {}\nUser-Agent: SomeGenerator/1.0\nVersion: 1\n"
    report = read_mail(mail("message/feedback-report", fields.format("abuse")), NOW)
    assert report is not None
    assert (report.kind, report.message_id) == ("complained", MESSAGE)
    assert read_mail(mail("message/feedback-report", fields.format("not-spam")), NOW) is None


def test_other_mails_are_no_reports() -> None:
    away = EmailMessage(policy=policy.SMTP)
    away["Auto-Submitted"], away["X-Sojourn-Message"] = "auto-replied", str(MESSAGE)
    away.set_content("I am away.")
    foreign = notification("failed", "5.1.1", returned=RETURNED.replace(str(MESSAGE), "an-id-of-another"))
    nested = b"Content-Type: multipart/report; boundary=b\n\n--b\n" + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (number, number) for number in range(5_000)
    )
    for body in (bytes(away), foreign, nested, b"", b"\xff\x00", b"Content-Type: multipart/report\n\n"):
        assert read_mail(body, NOW) is None


def test_a_bounce_that_several_servers_report_is_one() -> None:
    first, second = (read_mail(notification("failed", status), NOW) for status in ("5.1.1", "5.1.1 (again)"))
    assert first == second


async def test_only_who_has_the_secret_reports() -> None:
    settings = SmtpModel.model_validate(
        {
            "kind": "smtp",
            "channel": "email",
            "host": "mail.example.com",
            "callback_secret": {"env": "SOJOURN_SECRET_HOOK"},
        }
    )
    read = open_reader(settings, ProviderSecrets([BoundSecret(SECRET, place="SOJOURN_SECRET_HOOK")]))
    assert read is not None
    body = notification("failed", "5.1.1")
    [report] = await read(Callback("POST", "", {"authorization": f"Bearer {SECRET}"}, body), NOW)
    assert report.message_id == UUID(str(MESSAGE))
    for headers in ({}, {"authorization": "Bearer another"}):
        with pytest.raises(UnverifiedCallbackError):
            await read(Callback("POST", "", headers, body), NOW)
