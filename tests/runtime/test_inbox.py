"""The embedded inbox: its SMTP answers and its page."""

from collections.abc import AsyncIterator
from email.message import EmailMessage

import aiosmtplib
import httpx
import pytest

from runtime.embedded import inbox as module
from runtime.embedded.inbox import Inbox


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    started = await Inbox.start()
    yield started
    await started.stop()


def mail(to: str = "ada@example.com", subject: str = "Your cart", html: str = "<p>Come back</p>") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "shop@example.com"
    message["To"] = to
    message["Subject"] = subject
    message.set_content("Come back")
    message.add_alternative(html, subtype="html")
    return message


async def send(inbox: Inbox, message: EmailMessage) -> None:
    await aiosmtplib.send(message, hostname="127.0.0.1", port=inbox.smtp_port, start_tls=False)


async def test_a_mail_arrives_whole(inbox: Inbox) -> None:
    await send(inbox, mail(subject="Dein Körbchen 🧺"))
    [received] = await inbox.wait_for(1, timeout=5)
    assert (received.sender, received.recipients) == ("shop@example.com", ("ada@example.com",))
    assert received.subject == "Dein Körbchen 🧺"
    assert (received.text, received.html) == ("Come back\n", "<p>Come back</p>\n")
    assert received.message["To"] == "ada@example.com"
    assert received.received_at.tzinfo is not None


async def test_waiting_for_a_mail_that_does_not_come_says_what_is_here(inbox: Inbox) -> None:
    await send(inbox, mail())
    with pytest.raises(TimeoutError, match=r"ada@example\.com"):
        await inbox.wait_for(lambda received: "bob@example.com" in received.recipients, timeout=0.01)


async def test_a_greylisted_recipient_is_taken_once_it_is_off_the_list(inbox: Inbox) -> None:
    inbox.greylist.add("ada@example.com")
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
        await send(inbox, mail(to="Ada@Example.com"))
    assert refused.value.recipients[0].code == 451
    assert inbox.messages == []

    inbox.greylist.discard("ada@example.com")
    await send(inbox, mail())
    assert len(inbox.messages) == 1


async def test_a_refused_recipient_is_answered_550(inbox: Inbox) -> None:
    inbox.refuse.add("gone@example.com")
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
        await send(inbox, mail(to="gone@example.com"))
    assert refused.value.recipients[0].code == 550


async def test_only_the_newest_mails_are_kept(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEEP", 2)
    for subject in ("one", "two", "three"):
        await send(inbox, mail(subject=subject))
    assert [(kept.number, kept.subject) for kept in inbox.messages] == [(2, "two"), (3, "three")]


async def test_the_page_escapes_all_that_a_mail_says(inbox: Inbox) -> None:
    await inbox.show()
    evil = "<script>alert(1)</script>"
    await send(inbox, mail(subject=evil, html=f'"></iframe>{evil}'))
    async with httpx.AsyncClient(base_url=inbox.url, trust_env=False) as browser:
        listing = await browser.get("/")
        page = await browser.get("/messages/1")
        missing = await browser.get("/messages/2")
    assert "&lt;script&gt;" in listing.text
    assert "&quot;&gt;&lt;/iframe&gt;" in page.text
    assert "<script" not in listing.text + page.text
    assert 'sandbox="allow-popups ' in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert missing.status_code == 404


async def test_json_lists_the_newest_first_and_survives_broken_mails(inbox: Inbox) -> None:
    await inbox.show()
    await send(inbox, mail())
    broken = b"Subject: \xff\xfe\r\nContent-Type: text/plain; charset=nobody-knows\r\n\r\n\xff hello\r\n"
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=inbox.smtp_port, start_tls=False) as client:
        await client.sendmail("shop@example.com", ["bob@example.com"], broken)
    async with httpx.AsyncClient(base_url=inbox.url, trust_env=False) as browser:
        listed = (await browser.get("/api/messages")).json()
        assert (await browser.get("/messages/2")).status_code == 200
    assert [item["recipients"] for item in listed] == [["bob@example.com"], ["ada@example.com"]]
    assert "hello" in listed[0]["text"]


async def test_stopping_cuts_a_client_that_stays_connected() -> None:
    inbox = await Inbox.start()
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=inbox.smtp_port, start_tls=False)
    await client.connect()
    await inbox.stop()
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await client.noop()
    client.close()
