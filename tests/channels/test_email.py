import asyncio
import re
import socket
import ssl
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.smtp import AuthResult, Envelope

from channels.email.smtp import Smtp, build
from domain.people.addresses import parse_email
from domain.sending.delivery import Accepted, Ambiguous, Delivery, Outbound, Rejected, Unavailable
from domain.sending.receiving import ReceivingDomain
from tests.channels.messages import ADDRESS, AT, MAIL, mail
from tests.channels.servers import (
    HANG_UP,
    TIME_OUT,
    Mailbox,
    listening,
    scripted_smtp,
    server_tls,
    smtp_server,
    trusting_tls,
)


def parsed(payload: bytes) -> EmailMessage:
    message = message_from_bytes(payload, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def raw(envelope: Envelope) -> bytes:
    assert envelope.original_content is not None
    return envelope.original_content


def built(message: Outbound) -> bytes:
    recipient = parse_email(ADDRESS)
    assert recipient is not None
    return build(message, recipient).payload


async def deliver(
    port: int, message: Outbound = MAIL, to: str = ADDRESS, security: Any = "none", **options: Any
) -> Delivery:
    return await Smtp("localhost", port, security=security, **options).deliver(message, to)


async def scripted(script: dict[str, str], message: Outbound = MAIL, *, username: str | None = None) -> Delivery:
    async with listening(scripted_smtp(**script)) as port:
        return await deliver(port, message, username=username, password="secret")


async def test_a_message_arrives_as_it_was_written() -> None:
    mailbox = Mailbox()
    async with smtp_server(mailbox) as port:
        assert await deliver(port) == Accepted("4F2AB")
    (envelope,) = mailbox.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == ("hello@shop.example.com", ["ana@example.com"])
    message = parsed(raw(envelope))
    assert message["Subject"] == "Grüße, Ana"
    assert message["From"] == "Example Shop <hello@shop.example.com>"
    assert message["To"] == "ana@example.com"
    assert message["Date"].datetime == AT
    assert message["Message-ID"] == f"<{MAIL.message_id}@shop.example.com>"
    assert message["X-Sojourn-Message"] == MAIL.message_id
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(html, EmailMessage)
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert text.get_content().replace("\r\n", "\n") == MAIL.content["text"]
    assert html.get_content().strip() == MAIL.content["html"]


async def test_a_mail_is_from_an_address_of_its_own_where_bounces_come_back() -> None:
    mailbox, domain = Mailbox(), ReceivingDomain("bounces.example.com", ("a-secret-of-thirty-two-characters",))
    async with smtp_server(mailbox) as port:
        assert await deliver(port, return_domain=domain) == Accepted("4F2AB")
    (envelope,) = mailbox.taken
    assert envelope.mail_from == domain.address("bounce", UUID(MAIL.message_id))
    assert parsed(raw(envelope))["From"] == "Example Shop <hello@shop.example.com>"


def test_replies_and_unsubscriptions_come_back_where_they_are_received() -> None:
    received = replace(MAIL, reply_address="reply+a@example.com", unsubscribe_address="unsubscribe+a@example.com")
    message = parsed(built(received))
    assert message["Reply-To"] == "reply+a@example.com"
    mailto = "<mailto:unsubscribe+a@example.com?subject=unsubscribe>"
    assert message["List-Unsubscribe"] == f"<{MAIL.unsubscribe_url}>, {mailto}"
    # The author's own address stays, and a mail that offers no unsubscription offers none by mail.
    own = replace(received, content={**MAIL.content, "reply_to": "help@example.com"}, unsubscribe_url=None)
    assert parsed(built(own))["Reply-To"] == "help@example.com"
    assert "List-Unsubscribe" not in parsed(built(own))


def test_a_long_unsubscribe_header_stays_in_one_piece() -> None:
    assert f"List-Unsubscribe: <{MAIL.unsubscribe_url}>\r\n".encode() in built(MAIL)


def test_a_transactional_message_offers_no_unsubscription() -> None:
    assert b"List-Unsubscribe" not in built(replace(MAIL, unsubscribe_url=None))
    assert b"List-Id" not in built(MAIL)
    assert b"\r\nList-Id: <newsletter.shop.example.com>\r\n" in built(replace(MAIL, topic="newsletter"))


@pytest.mark.parametrize("subject", ["Grüße 😀 " * 40, "x" * 300, "a long story " * 20, "é" * 400])
def test_headers_keep_to_what_the_standards_allow(subject: str) -> None:
    message = mail(
        subject=subject.strip(),
        **{"from": "Füße & Söhne, Example <hello@shop.example.com>"},
        reply_to="help@example.com",
    )
    head = built(message).partition(b"\r\n\r\n")[0]
    assert all(len(line) <= 998 and line.isascii() for line in head.split(b"\r\n"))
    assert all(len(word) <= 75 for word in re.findall(rb"=\?[^ ]*\?=", head))
    assert parsed(built(message))["Subject"] == subject.strip()
    (sender,) = parsed(built(message))["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Füße & Söhne, Example", "hello@shop.example.com")
    assert parsed(built(message))["Reply-To"] == "help@example.com"


def test_a_body_is_ascii_with_short_lines_for_every_server() -> None:
    body = built(mail(text="ü" * 2000, html="<p>" + "x" * 5000 + "</p>"))
    assert body.isascii()
    assert all(len(line) <= 998 for line in body.split(b"\r\n"))


@pytest.mark.parametrize("field", ["subject", "from", "reply_to"])
async def test_a_line_break_in_a_header_is_rejected(field: str, refused_port: int) -> None:
    message = mail(**{field: "Example <a@example.com>\r\nBcc: eve@example.com"})
    delivery = await deliver(refused_port, message)
    assert isinstance(delivery, Rejected)
    assert delivery.reason == "invalid_message"


@pytest.mark.parametrize("address", ["", "ana", "ana@example.com\r\nRCPT TO:<eve@example.com>", "a b@example.com"])
async def test_what_is_no_address_is_rejected_before_anybody_is_called(address: str, refused_port: int) -> None:
    delivery = await deliver(refused_port, to=address)
    assert isinstance(delivery, Rejected)
    assert delivery.reason == "invalid_address"


@pytest.mark.parametrize(
    ("address", "recipient"),
    [
        ('"ana maria"@example.com', '"ana maria"@example.com'),
        ('"a@b"@example.com', '"a@b"@example.com'),
        ('"ana"@example.com', "ana@example.com"),
        ("\ufeff ana@example.com\u00a0", "ana@example.com"),
    ],
)
async def test_a_quoted_address_and_one_between_blanks_are_delivered_to(address: str, recipient: str) -> None:
    mailbox = Mailbox()
    async with smtp_server(mailbox) as port:
        assert await deliver(port, to=address) == Accepted("4F2AB")
    (envelope,) = mailbox.taken
    assert envelope.rcpt_tos == [recipient]
    assert f"\r\nTo: {recipient}\r\n".encode() in raw(envelope)


async def test_an_international_address_is_sent_where_the_server_can() -> None:
    mailbox = Mailbox()
    async with smtp_server(mailbox, enable_SMTPUTF8=True) as port:
        assert isinstance(await deliver(port, to="jörg@bücher.example.com"), Accepted)
    (envelope,) = mailbox.taken
    assert envelope.rcpt_tos == ["jörg@bücher.example.com"]
    assert envelope.mail_options == ["SMTPUTF8"]
    assert "To: jörg@bücher.example.com\r\n".encode() in raw(envelope)


async def test_an_international_address_is_rejected_where_the_server_cannot() -> None:
    mailbox = Mailbox()
    async with smtp_server(mailbox) as port:
        delivery = await deliver(port, to="jörg@example.com")
        assert isinstance(delivery, Rejected)
        assert (delivery.reason, "SMTPUTF8" in delivery.detail) == ("invalid_address", True)
        assert isinstance(await deliver(port, mail(reply_to="Jörg <jörg@example.com>")), Rejected)
        assert isinstance(await deliver(port, to="ana@bücher.example.com"), Accepted)
    assert mailbox.taken[0].rcpt_tos == ["ana@xn--bcher-kva.example.com"]


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ({"MAIL": "550 5.7.1 not from you"}, Rejected("sender_refused", "mail: 550 5.7.1 not from you")),
        ({"MAIL": "451 4.3.0 later"}, Unavailable("deferred", "mail: 451 4.3.0 later")),
        ({"MAIL": "530 5.7.0 authenticate first"}, Unavailable("login", "mail: 530 5.7.0 authenticate first")),
        ({"RCPT": "550 5.1.1 no such user"}, Rejected("recipient_refused", "rcpt: 550 5.1.1 no such user", "address")),
        ({"RCPT": "550 5.2.1 disabled"}, Rejected("recipient_refused", "rcpt: 550 5.2.1 disabled", "address")),
        *(
            ({"RCPT": f"550 {status} no"}, Rejected("recipient_refused", f"rcpt: 550 {status} no"))
            for status in ("5.1.0", "5.1.8", "5.1.90")
        ),
        *(
            ({"RCPT": f"550 {status} no"}, Rejected("recipient_refused", f"rcpt: 550 {status} no", "address"))
            for status in ("5.1.2", "5.1.3", "5.1.6", "5.1.10")
        ),
        ({"RCPT": "550 5.7.1 policy"}, Rejected("recipient_refused", "rcpt: 550 5.7.1 policy")),
        ({"RCPT": "550 no such user"}, Rejected("recipient_refused", "rcpt: 550 no such user")),
        ({"RCPT": "451 4.7.1 greylisted"}, Unavailable("deferred", "rcpt: 451 4.7.1 greylisted")),
        ({"RCPT": "421 4.3.2 closing"}, Unavailable("deferred", "rcpt: 421 4.3.2 closing")),
        ({"DATA": "554 5.7.1 spam"}, Rejected("message_refused", "end of data: 554 5.7.1 spam")),
        ({"DATA": "452 4.3.1 disk full"}, Unavailable("deferred", "end of data: 452 4.3.1 disk full")),
        ({"DATA": "250 OK"}, Accepted(None)),
        ({"DATA": "250 OK id=1abc-2d"}, Accepted("1abc-2d")),
    ],
)
async def test_each_reply_means_one_thing(replies: dict[str, str], expected: Delivery) -> None:
    async with smtp_server(Mailbox(replies)) as port:
        assert await deliver(port) == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ({"CONNECT": "554 go away"}, Unavailable("connection", "connect: 554 go away")),
        ({"CONNECT": "nonsense"}, Unavailable),
        ({"EHLO": "500 what", "HELO": "250 localhost"}, Accepted(None)),
        ({"EHLO": "550 no", "HELO": "550 no"}, Unavailable("connection", "connect: 550 no")),
        ({"DATA": "554 no valid recipients"}, Rejected("message_refused", "data: 554 no valid recipients")),
        ({"DATA": "451 later"}, Unavailable("deferred", "data: 451 later")),
        (
            {"DOT": "550 <ANA@example.com>:\tunknown"},
            Rejected("message_refused", "end of data: 550 <(recipient)>: unknown"),
        ),
        ({"DOT": "nonsense"}, Ambiguous),
    ],
)
async def test_each_step_has_its_own_refusal(script: dict[str, str], expected: Delivery | type) -> None:
    delivery = await scripted(script)
    assert delivery == expected or type(delivery) is expected


@pytest.mark.parametrize("moment", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_line_lost_before_the_message_is_no_delivery(moment: str) -> None:
    assert isinstance(await scripted({moment: HANG_UP, "HELO": HANG_UP}), Unavailable)


async def test_a_line_lost_while_the_message_goes_out_is_no_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    # More than the kernel's buffers take, so that the dot is still here when the server hangs up.
    loop = asyncio.get_running_loop()
    connect = loop.create_connection

    async def connect_narrowly(*arguments: Any, **options: Any) -> Any:
        transport, protocol = await connect(*arguments, **options)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        return transport, protocol

    monkeypatch.setattr(loop, "create_connection", connect_narrowly)
    assert isinstance(await scripted({"BODY": HANG_UP}, mail(text="x" * 1_000_000)), Unavailable)


async def test_a_line_lost_after_the_dot_is_ambiguous() -> None:
    assert isinstance(await scripted({"DOT": HANG_UP}), Ambiguous)


@pytest.mark.parametrize("moment", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_silence_before_the_message_is_no_delivery(moment: str) -> None:
    async with listening(scripted_smtp(**{moment: TIME_OUT})) as port:
        delivery = await deliver(port)
    assert isinstance(delivery, Unavailable)
    assert "timed out" in delivery.detail.lower()


async def test_silence_after_the_dot_is_ambiguous() -> None:
    async with listening(scripted_smtp(DOT=TIME_OUT)) as port:
        assert isinstance(await deliver(port), Ambiguous)


async def test_a_dialogue_ends_once_the_outcome_is_known() -> None:
    # The server never answers QUIT: the channel must not wait for it.
    async with listening(scripted_smtp()) as port:
        assert await asyncio.wait_for(deliver(port), timeout=15) == Accepted(None)


async def test_nobody_listening_is_no_delivery(refused_port: int) -> None:
    delivery = await deliver(refused_port)
    assert isinstance(delivery, Unavailable)
    assert delivery.reason == "connection"


async def test_starttls_and_login_lead_to_a_delivery() -> None:
    mailbox = Mailbox()
    logins: list[tuple[bytes, bytes]] = []

    def authenticator(_: object, __: object, ___: object, ____: str, given: Any) -> AuthResult:
        logins.append((given.login, given.password))
        return AuthResult(success=given.password == b"secret", handled=False)

    options: dict[str, Any] = {"tls_context": server_tls(), "authenticator": authenticator, "auth_required": True}
    async with smtp_server(mailbox, **options) as port:
        login: dict[str, Any] = {"security": "starttls", "username": "shop", "tls_context": trusting_tls()}
        assert isinstance(await deliver(port, password="secret", **login), Accepted)
        refused = await deliver(port, password="wrong", **login)
        without = await deliver(port, security="starttls", tls_context=trusting_tls())
    assert isinstance(refused, Unavailable)
    assert isinstance(without, Unavailable)
    assert (refused.reason, without.reason) == ("login", "login")
    assert logins[0] == (b"shop", b"secret")
    assert "wrong" not in refused.detail


async def test_tls_from_the_first_byte_leads_to_a_delivery() -> None:
    async with smtp_server(Mailbox(), implicit_tls=True) as port:
        assert isinstance(await deliver(port, security="tls", tls_context=trusting_tls()), Accepted)


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_that_nobody_vouches_for_is_no_delivery(security: str) -> None:
    is_implicit = security == "tls"
    mailbox = Mailbox()
    options: dict[str, Any] = {} if is_implicit else {"tls_context": server_tls()}
    async with smtp_server(mailbox, implicit_tls=is_implicit, **options) as port:
        delivery = await deliver(port, security=security)
    assert isinstance(delivery, Unavailable)
    assert delivery.reason == "tls"
    assert mailbox.taken == []


async def test_starttls_is_never_skipped() -> None:
    mailbox = Mailbox()
    async with smtp_server(mailbox) as port:
        delivery = await deliver(port, security="starttls")
    assert isinstance(delivery, Unavailable)
    assert delivery.reason == "tls"
    assert mailbox.taken == []


async def test_a_login_is_not_sent_to_a_server_that_does_not_ask_for_one() -> None:
    delivery = await scripted({"EHLO": "250 localhost"}, username="shop")
    assert isinstance(delivery, Unavailable)
    assert delivery.reason == "login"


def test_the_machines_authorities_are_the_default() -> None:
    assert Smtp("localhost", 25)._tls_context.verify_mode is ssl.CERT_REQUIRED
