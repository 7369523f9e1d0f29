"""Replies and unsubscriptions by mail, as mail programs write them, and the mails of programs."""

from email import policy
from email.message import EmailMessage
from time import process_time

import pytest

from channels.email.incoming_mails import read_incoming
from channels.email.reply_text import strip_quoted
from domain.sending.incoming_mail import AskedToUnsubscribe, Automatic, IncomingMail, Replied, Unassigned
from domain.sending.receiving import ReceivingDomain
from domain.sending.reports import MAX_REPLY_CHARACTERS, MailReply
from tests.channels.recorded_callbacks import MESSAGE, NOW
from tests.generated import LINK_SECRET

DOMAIN = ReceivingDomain("mail.example.com", (LINK_SECRET,))
REPLY = DOMAIN.address("reply", MESSAGE)
UNSUBSCRIBE = DOMAIN.address("unsubscribe", MESSAGE)


def write(text: str = "Yes, please call me.", html: str | None = None, **headers: str) -> bytes:
    mail = EmailMessage(policy=policy.SMTP)
    given = {"From": "Ada Lovelace <ada@example.net>", "Subject": "Re: Your cart", "Message-ID": "<1@example.net>"}
    for name, value in {**given, **{name.replace("_", "-"): value for name, value in headers.items()}}.items():
        if value:
            mail[name] = value
    mail.set_content(text)
    if html is not None:
        mail.add_alternative(html, subtype="html")
    return bytes(mail)


def read(body: bytes, recipient: str | None = REPLY, sender: str | None = "ada@example.net") -> IncomingMail:
    return read_incoming(body, [LINK_SECRET], NOW, recipient=recipient, sender=sender)


def reply_of(body: bytes, recipient: str | None = REPLY) -> MailReply:
    mail = read(body, recipient)
    assert isinstance(mail, Replied)
    assert isinstance(mail.report.reply, MailReply)
    return mail.report.reply


def test_a_reply_has_its_text_and_its_author() -> None:
    mail = read(write())
    assert isinstance(mail, Replied)
    report = mail.report
    assert (report.kind, report.message_id, report.at) == ("replied", MESSAGE, NOW)
    assert report.reply == MailReply("Re: Your cart", "Yes, please call me.")
    assert mail.author is not None
    assert (mail.author.name, mail.author.address.written) == ("Ada Lovelace", "ada@example.net")
    # Delivered twice, it is one; the next one is another.
    assert read(write()) == mail
    other = read(write(Message_ID="<2@example.net>"))
    assert isinstance(other, Replied)
    assert other.report.event_id != report.event_id


def test_a_reply_is_found_by_its_headers_where_a_pipe_says_no_recipient() -> None:
    assert reply_of(write(To=f'"Example Shop" <{REPLY.upper()}>'), None)
    assert read(write(To="hello@shop.example.com"), None) == Unassigned("a mail that answers no message")


@pytest.mark.parametrize("recipient", [None, "hello@shop.example.com", REPLY[:-20] + "a@mail.example.com"])
def test_headers_that_anyone_can_write_make_no_reply(recipient: str | None) -> None:
    ours = f"<{MESSAGE}@shop.example.com>"
    for headers in ({"In_Reply_To": ours}, {"References": f"{ours} <2@example.net>"}):
        assert read(write(To="hello@shop.example.com", **headers), recipient) == Unassigned(
            "a mail that answers no message"
        )


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated; owner-email=x"},
        {"Auto_Submitted": "AUTO-NOTIFIED"},
        {"Precedence": "bulk"},
        {"Precedence": "junk"},
        {"Precedence": "auto_reply"},
        {"X_Autoreply": "yes"},
        {"X_Autorespond": "away"},
        {"List_Id": "<list.example.net>"},
        {"X_Sojourn_Message": str(MESSAGE)},
        {"From": "Mail System <MAILER-DAEMON@mx.example.net>"},
        {"Subject": "Out of office: Re: Your cart"},
        {"Subject": "Automatische Antwort: Your cart"},
        {"Subject": "Réponse automatique : Your cart"},
        {"Subject": "Abwesenheitsnotiz"},
    ],
    ids=lambda headers: next(iter(headers.items()))[1][:24],
)
def test_the_mails_of_programs_are_no_replies(headers: dict[str, str]) -> None:
    assert read(write(**headers)) == Automatic()
    assert read(write(**headers), DOMAIN.address("bounce", MESSAGE), "") in (
        Automatic(),
        Unassigned("a bounce in a form of its own", is_refusable=False),
    )


def test_an_empty_return_path_is_that_of_a_program() -> None:
    assert read(write(), sender="") == Automatic()
    assert read(b"Return-Path: <>\r\n" + write(), sender=None) == Automatic()
    assert isinstance(read(b"Return-Path: <ada@example.net>\r\n" + write(), sender=None), Replied)


@pytest.mark.parametrize("subject", ["Re: Out of office furniture", "Your cart", "", "Re: Automatic reply machine"])
def test_the_mails_of_people_are_replies(subject: str) -> None:
    assert reply_of(write(Subject=subject)).subject == subject
    # One that says that it is of a person, whatever its subject.
    assert isinstance(read(write(Subject="Out of office", Auto_Submitted="no")), Replied)


QUOTING = {
    "gmail": "Yes.\n\nOn Mon, Nov 30, 2026 at 9:00 AM Example Shop <\nhello@shop.example.com> wrote:\n\n"
    "> Your cart\n> waits\n",
    "apple": "Yes.\n\n> On 30 Nov 2026, at 09:00, Example Shop <hello@shop.example.com> wrote:\n> \n"
    "> Your cart waits\n",
    "outlook": "Yes.\n\n________________________________\nFrom: Example Shop <hello@shop.example.com>\n"
    "Sent: Monday, November 30, 2026 9:00 AM\nTo: Ada\nSubject: Your cart\n\nIt waits\n",
    "german": "Yes.\n\nAm 30.11.26 um 09:00 schrieb Example Shop:\n> Ihr Korb wartet\n",
    "french": "Yes.\n\nLe lun. 30 nov. 2026 à 09:00, Boutique <hello@shop.example.com> a écrit :\n> Votre panier\n",
    "signed": "Yes.\n-- \nAda Lovelace\nAnalytical Engines\n",
    "below": "> Your cart waits\n\nYes.\n",
    "between": "> Shall we call?\nYes.\n> Or write?\n",
}


@pytest.mark.parametrize("text", QUOTING.values(), ids=QUOTING)
def test_what_is_quoted_is_left_out(text: str) -> None:
    assert strip_quoted(text) == "Yes."
    assert strip_quoted(text.replace("\n", "\r\n")) == "Yes."


def test_what_a_person_wrote_stays() -> None:
    text = "Hello,\n\nThanks, but I want:\n- the red one\n- by Monday\n\nBest regards\nAda"
    assert strip_quoted(text) == text
    assert len(strip_quoted("word " * 10_000)) <= MAX_REPLY_CHARACTERS


def test_html_alone_is_read_as_text() -> None:
    html = (
        "<html><head><style>p { color: red }</style></head><body><p>Yes,<br>please.</p>"
        "<div class='gmail_quote'>On Mon, Nov 30, 2026 Example Shop wrote:<blockquote>Your cart</blockquote></div>"
        "<script>alert(1)</script></body></html>"
    )
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = "ada@example.net"
    mail.set_content(html, subtype="html")
    assert reply_of(bytes(mail)).text == "Yes,\nplease."


@pytest.mark.parametrize("section", ["<![CATA[x]]>", "<![-b]>", "<![if !mso]>", "<![CDATA[x]]>", "<!DOCTYPE [<!x>"])
def test_a_strange_section_of_html_is_no_text(section: str) -> None:
    body = f"From: ada@example.net\nContent-Type: text/html\n\n<p>Yes</p>{section}"
    assert reply_of(body.encode()).text == "Yes"


def test_a_subject_that_cannot_be_decoded_stays() -> None:
    body = write().replace(b"Subject: Re: Your cart", b"Subject: =?utf-8?b?a?=")
    assert reply_of(body) == MailReply("=?utf-8?b?a?=", "Yes, please call me.")


@pytest.mark.parametrize("recipient", [REPLY[:-20] + "\u017f" + REPLY[-19:], REPLY.replace("reply", "reply\u017f")])
def test_an_address_with_other_letters_is_not_ours(recipient: str) -> None:
    assert isinstance(read(write(), recipient), Unassigned)


def test_attachments_are_named() -> None:
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"], mail["Subject"] = "ada@example.net", "Grüße 😀"
    mail.set_content("See the picture.")
    mail.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="Füße.png")
    assert reply_of(bytes(mail)) == MailReply("Grüße 😀", "See the picture.", ("Füße.png",))


@pytest.mark.parametrize(
    "text",
    ["On a " * 4_000, "\n" * 8_000, " \n" * 8_000, "> On\n" * 3_000, "From: a\n" * 2_000, "_" * 8_000, "<" * 200_000],
    ids=lambda text: repr(text[:8]),
)
def test_a_hostile_mail_takes_no_long_time(text: str) -> None:
    began = process_time()
    read(write(text))
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = "ada@example.net"
    mail.set_content("<!--" + text, subtype="html")
    read(bytes(mail))
    assert process_time() - began < 3


@pytest.mark.parametrize(
    "begins", ["Subject: ", "From: ", "Content-Type: text/plain", "Content-Type: multipart/report"]
)
@pytest.mark.parametrize("piece", ["=?utf-8?q?a?= ", ";a=b"])
def test_a_hostile_header_takes_no_long_time(begins: str, piece: str) -> None:
    body = (begins + piece * (700_000 // len(piece)) + "\r\n\r\nhello").encode()
    began = process_time()
    for recipient in (REPLY, None):
        read(body, recipient)
    assert process_time() - began < 1


def test_a_mail_unsubscribes() -> None:
    assert read(write("", Subject="unsubscribe"), UNSUBSCRIBE) == AskedToUnsubscribe(MESSAGE)
    # Mail programs write it for the person who pressed the button.
    assert read(write("", Auto_Submitted="auto-generated"), UNSUBSCRIBE) == AskedToUnsubscribe(MESSAGE)
    for headers in ({"Auto_Submitted": "auto-replied"}, {"Precedence": "auto_reply"}, {"X_Autoreply": "yes"}):
        assert read(write(**headers), UNSUBSCRIBE) == Automatic()
    assert read(write(), UNSUBSCRIBE, sender="") == Automatic()


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00", b"\xff" * 1_000, b"Content-Type: multipart/mixed\r\n\r\n", b"Subject: =?utf-8?b?!?=\r\n\r\nx"],
)
def test_a_broken_mail_is_something(body: bytes) -> None:
    assert isinstance(read(body), Replied | Unassigned)
    assert isinstance(read(body, None), Unassigned)
