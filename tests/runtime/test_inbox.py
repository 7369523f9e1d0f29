"""The embedded inbox: its SMTP answers and its page."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from html import escape
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiosmtplib
import httpx
import pytest

from runtime.embedded import inbox_store as module
from runtime.embedded.inbox import Inbox, ReceivedMail
from store.message_origins import MessageOrigin

JSON = {"Content-Type": "application/json"}


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
        pages = [await browser.get(f"/messages/1?view={view}") for view in ("html", "text", "headers", "source", evil)]
        missing = await browser.get("/messages/2")
    for page in (listing, *pages):
        assert "&lt;script&gt;" in page.text
        assert evil not in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox" src="/messages/1/html"' in pages[0].text
    assert missing.status_code == 404


async def test_the_html_of_a_mail_is_shut_in_and_loads_nothing_unless_asked(inbox: Inbox) -> None:
    await inbox.show()
    await send(inbox, mail(html='<img src="https://shop.example.com/open.gif">'))
    await send(inbox, mail(html='<a href="https://shop.example.com/">Shop</a>'))
    async with httpx.AsyncClient(base_url=inbox.url, trust_env=False) as browser:
        pages = [(await browser.get(f"/messages/{number}")).text for number in (1, 2)]
        page = (await browser.get("/messages/1?view=html&remote")).text
        local = await browser.get("/messages/1/html")
        remote = await browser.get("/messages/1/html?remote")
        other = [await browser.get(f"/messages/{number}/html") for number in (3, 9)]
    assert ["Load them" in page for page in pages] == [True, False]
    assert 'src="/messages/1/html?remote"' in page
    for answer, images in ((local, "img-src data:"), (remote, "img-src data: http: https:")):
        rules = [rule.strip() for rule in answer.headers["Content-Security-Policy"].split(";")]
        assert "sandbox allow-popups allow-popups-to-escape-sandbox" in rules
        assert "default-src 'none'" in rules
        assert images in rules
        assert answer.headers["X-DNS-Prefetch-Control"] == "off"
        assert "<img" in answer.text
    assert [answer.status_code for answer in other] == [404, 404]


async def test_mails_outlive_the_inbox(tmp_path: Path) -> None:
    first = await Inbox.start(folder=tmp_path)
    await send(first, mail(subject="Dein Körbchen 🧺"))
    await send(first, mail(to="josé@example.com", subject="Return-Path: <x>"))
    await first.stop()
    (tmp_path / "000003.eml").write_bytes(b"Return-Path: <half")
    second = await Inbox.start(folder=tmp_path)
    assert second.messages == [
        replace(old, message=new.message) for old, new in zip(first.messages, second.messages, strict=True)
    ]
    assert [(one.subject, one.text) for one in second.messages] == [
        ("Dein Körbchen 🧺", "Come back\n"),
        ("Return-Path: <x>", "Come back\n"),
    ]
    await send(second, mail(subject="after"))
    assert second.messages[-1].number == 3
    await second.stop()


async def test_only_as_many_files_are_kept_as_mails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = await Inbox.start(folder=tmp_path)
    for subject in ("one", "two", "three"):
        await send(inbox, mail(subject=subject))
    await inbox.stop()
    monkeypatch.setattr(module, "KEEP", 2)
    inbox = await Inbox.start(folder=tmp_path)
    assert [kept.subject for kept in inbox.messages] == ["two", "three"]
    await send(inbox, mail(subject="four"))
    await inbox.stop()
    assert sorted(os.listdir(tmp_path)) == ["000003.eml", "000004.eml"]


async def test_messages_of_other_channels_come_by_http(tmp_path: Path) -> None:
    inbox = await Inbox.start(folder=tmp_path)
    await inbox.show()
    url = "https://<crm>.example.com/users/u-1?x=<y>"
    content = {"url": url, "method": "PUT", "data": {"action": "call <b>"}, "note": "two\nlines", "headers": {}}
    async with httpx.AsyncClient(base_url=inbox.url, trust_env=False) as browser:
        for message_id, address in (("m-1", "device"), ("m-2", "+4930123"), ("m-1", "device")):
            body = {"message_id": message_id, "content": content, "address": address}
            assert (await browser.post("/api/messages", json=body)).status_code == 201
        await send(inbox, mail())
        listed = (await browser.get("/api/messages")).json()
        page = (await browser.get("/messages/3")).text
        overview = (await browser.get("/")).text
        refused = [
            await browser.post("/api/messages", content=b'{"message_id": 1}', headers=JSON),
            await browser.post("/api/messages", content=b"{}"),
            await browser.post("/api/messages", json={"message_id": "m", "content": {"text": "x" * (1 << 20)}}),
        ]
    await inbox.stop()
    assert [(item["number"], item["message_id"], item.get("address")) for item in listed] == [
        (4, None, None),
        (3, "m-1", "device"),
        (2, "m-2", "+4930123"),
    ]
    assert listed[1]["content"] == content
    for text in (
        "<h1>PUT /users/u-1?x=&lt;y&gt;</h1>",
        "<dt>URL</dt><dd>https://&lt;crm&gt;.example.com/users/u-1?x=&lt;y&gt;</dd>",
        "<dt>Method</dt><dd>PUT</dd>",
        "<h2>Data</h2>",
        "call &lt;b&gt;",
        "two\nlines",
    ):
        assert text in page
    assert page.count("&lt;crm&gt;") == 1
    assert "<h2>Headers</h2>" not in page
    assert '<span class="what">PUT /users/u-1?x=&lt;y&gt;</span>' in overview
    assert [answer.status_code for answer in refused] == [422, 415, 413]
    assert len(inbox.messages) == 1
    assert sorted(os.listdir(tmp_path)) == ["000002.json", "000003.json", "000004.eml"]
    again = await Inbox.start(folder=tmp_path)
    await again.show()
    async with httpx.AsyncClient(base_url=again.url, trust_env=False) as browser:
        assert (await browser.get("/api/messages")).json() == listed
    await again.stop()


async def test_a_message_to_several_addresses_is_kept_for_each(inbox: Inbox) -> None:
    await inbox.show()
    async with httpx.AsyncClient(base_url=inbox.url, trust_env=False) as browser:
        for address in ("phone", "tablet", "phone"):
            body = {"message_id": "m-1", "content": {"text": "x"}, "address": address}
            assert (await browser.post("/api/messages", json=body)).status_code == 201
        listed = (await browser.get("/api/messages")).json()
    assert [item["address"] for item in listed] == ["phone", "tablet"]


async def test_the_list_is_searched_by_user_address_or_campaign(inbox: Inbox) -> None:
    ids = {"ada": uuid4(), "bob": uuid4()}

    async def find_origins(message_ids: Collection[UUID]) -> dict[UUID, MessageOrigin]:
        return {
            ids[user]: MessageOrigin("email", f"hello-{user}", 1, "step", "note", user, uuid4(), "w", datetime.now(UTC))
            for user in ids
            if ids[user] in message_ids
        }

    await inbox.show(find_origins=find_origins)
    for user, message_id in ids.items():
        sent = mail(to=f"{user}@shop.example.com", subject=f"To {user}")
        sent["X-Sojourn-Message"] = str(message_id)
        await send(inbox, sent)
    await send(inbox, mail(to="eve@example.com", subject="To eve"))
    expected = {"ADA": ["ada"], "hello-bob": ["bob"], "eve@": ["eve"], "shop.example": ["bob", "ada"], "<b>": []}
    async with httpx.AsyncClient(base_url=inbox.url, trust_env=False) as browser:
        for search, users in {**expected, "": ["eve", "bob", "ada"]}.items():
            page = (await browser.get("/", params={"q": search})).text
            assert re.findall(r">To (\w+)<", page) == users, search
            assert f'placeholder="User or campaign" value="{escape(search)}"' in page
        nothing = (await browser.get("/?q=<b>")).text
    assert 'No message of the user or campaign &lt;b&gt;. <a href="/">Show all</a>' in nothing


async def test_templates_colleagues_and_letters_are_shown_as_they_are_met(inbox: Inbox) -> None:
    at = datetime.now(UTC)
    approved = {
        "name": "cart_reminder",
        "language": "en_US",
        "variables": {"1": "A<b>"},
        "header": {"image": "https://x"},
    }
    messages: dict[UUID, tuple[str, dict[str, Any]]] = {
        uuid4(): ("whatsapp", {"template": {**approved, "buttons": [{"index": 1, "payload": "STOP"}]}}),
        uuid4(): ("slack", {"text": "Seats are used up", "to": "#sales"}),
        uuid4(): ("post", {"format": "letter", "file": "<p>Dear Ada</p>"}),
    }

    async def find_origins(message_ids: Collection[UUID]) -> dict[UUID, MessageOrigin]:
        return {
            id: MessageOrigin(
                *(channel, "hello", 1, "step", "note", "u-1", uuid4(), "w", at),
                marks={"taken back": at} if channel == "post" else {},
            )
            for id, (channel, _) in messages.items()
            if id in message_ids
        }

    await inbox.show(find_origins=find_origins)
    async with httpx.AsyncClient(base_url=inbox.url, trust_env=False) as browser:
        for id, (_, content) in messages.items():
            posted = {"message_id": str(id), "address": "", "content": content}
            assert (await browser.post("/api/messages", json=posted)).status_code == 201
        page = (await browser.get("/?person=u-1")).text
    shown = "Template cart_reminder, en_US\nimage: https://x\n1: A&lt;b&gt;\nButton 1: STOP"
    assert f'aria-label="whatsapp: cart_reminder"><p class="bubble">{shown}</p>' in page
    assert '<p class="target">To #sales</p><p class="bubble">Seats are used up</p>' in page
    # A letter that was taken back never arrives.
    [letter] = re.findall(r"<article[^>]*post: .*?</article>", page, re.DOTALL)
    assert "<figcaption>letter</figcaption>" in letter
    assert ">taken back</b>" in letter
    assert "<button" not in letter


async def test_a_mail_shows_the_name_of_its_sender_and_a_frame_that_fits(inbox: Inbox) -> None:
    await inbox.show()
    short, long = mail(), mail(html="<style>p { color: red }</style>" + "<p>Come back soon</p>" * 40)
    short.replace_header("From", '"Ada & Co" <shop@example.com>')
    await send(inbox, short)
    await send(inbox, long)
    async with httpx.AsyncClient(base_url=inbox.url, trust_env=False) as browser:
        pages = [(await browser.get(f"/messages/{number}")).text for number in (1, 2)]
        headers = (await browser.get("/messages/1?view=headers")).text
    assert "<dt>From</dt><dd>Ada &amp; Co &lt;shop@example.com&gt;</dd>" in pages[0]
    heights = [int(re.findall(r'style="height: min\(70vh, (\d+)rem\)"', page)[0]) for page in pages]
    assert 6 < heights[0] < 15
    assert heights[1] > 80
    assert '<dl class="facts headers">' in headers


async def test_an_empty_inbox_says_what_to_do(inbox: Inbox) -> None:
    await inbox.show(setup="export PATH=/venv/bin:$PATH")
    async with httpx.AsyncClient(base_url=inbox.url, trust_env=False) as browser:
        page = (await browser.get("/")).text
    assert "<pre>export PATH=/venv/bin:$PATH\nsojourn init campaigns\nsojourn apply campaigns\n" in page
    for command in ("sojourn explain USER", "sojourn dev forward 1d"):
        assert command in page
    assert "<title>Inbox: messages of all channels</title>" in page
    assert "sojourn providers apply providers.yaml" in page


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


MALFORMED = {
    "group": b'From: =?utf-8?b?//8=?= <a@[>\r\nTo: ,,;:<>"',
    "no address": b'From: "\r\nTo: a: b: c;;;(((\r\nMessage-ID: <[',
    "year": b"Date: Fri, 31 Dec 99999999999999999999 23:59:59 +0000",
    "zone": b"Date: Fri, 31 Dec 2020 23:59:59 +99999999999999",
    "charset": b"Subject: =?raw_unicode_escape?q?=5Cud800?=",
    "bytes": b"Subject: \xff\xfe\r\nX-Sojourn-Message: \xff",
    "body": b"Content-Type: text/html; charset=idna\r\nContent-Disposition: =?raw_unicode_escape?q?=5Cud800?=",
}


@pytest.mark.parametrize("headers", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_mail_is_shown_beside_the_others(inbox: Inbox, headers: bytes) -> None:
    await inbox.show()
    await send(inbox, mail())
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=inbox.smtp_port, start_tls=False)
    async with client:
        await client.sendmail("shop@example.com", ["ada@example.com"], headers + b"\r\nX-Own: yes\r\n\r\nCome back\r\n")
    paths = ["/", "/messages/2", *(f"/messages/2?view={view}" for view in ("html", "text", "headers", "source"))]
    async with httpx.AsyncClient(base_url=inbox.url, trust_env=False) as browser:
        assert [(await browser.get(path)).status_code for path in paths] == [200] * len(paths)
        newest, oldest = (await browser.get("/api/messages")).json()
        assert "X-Own" in (await browser.get("/messages/2?view=headers")).text
    assert oldest["subject"] == "Your cart"
    assert ["X-Own", "yes"] in newest["headers"]


async def test_an_envelope_beyond_unicode_is_kept(tmp_path: Path) -> None:
    inbox = await Inbox.start(folder=tmp_path)
    reader, writer = await asyncio.open_connection("127.0.0.1", inbox.smtp_port)
    envelope = [b"HELO x", b"MAIL FROM:<\xff@example.com>", b"RCPT TO:<\xfe@example.com>"]
    writer.write(b"".join(line + b"\r\n" for line in [*envelope, b"DATA", b"Subject: x", b"", b"."]))
    writer.write_eof()
    answers = (await reader.read()).decode().splitlines()
    writer.close()
    await inbox.stop()
    assert [answer[:3] for answer in answers] == ["220", "250", "250", "250", "354", "250"]
    [kept] = module.InboxStore(tmp_path).items
    assert isinstance(kept, ReceivedMail)
    assert (kept.sender, kept.recipients) == ("?@example.com", ("?@example.com",))


async def test_a_deeply_nested_message_is_refused(inbox: Inbox) -> None:
    await inbox.show()
    nested = b'{"message_id": "m", "content": {"text": %s}}' % (b"[" * 100_000 + b"]" * 100_000)
    async with httpx.AsyncClient(base_url=inbox.url, trust_env=False) as browser:
        assert (await browser.post("/api/messages", content=nested, headers=JSON)).status_code == 422


@pytest.mark.parametrize("host", ["shop.example.com", "127.0.0.1.example.com", ""])
async def test_a_name_that_others_point_at_this_machine_leads_nowhere(inbox: Inbox, host: str) -> None:
    await inbox.show()
    body = {"message_id": "m", "content": {"text": "x"}}
    async with httpx.AsyncClient(base_url=inbox.url, trust_env=False) as browser:
        foreign = [
            await browser.get("/api/messages", headers={"Host": host}),
            await browser.post("/api/messages", json=body, headers={"Host": host}),
        ]
        own = await browser.get("/api/messages", headers={"Host": f"localhost:{inbox.http_port}"})
    assert [answer.status_code for answer in foreign] == [400, 400]
    assert own.json() == []
