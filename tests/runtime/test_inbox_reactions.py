"""The inbox of `sojourn dev` in a real browser: each reaction of a reader lets the campaign go on."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.dev_stack import DevStack
from tests.clients.devtools import Session, devtools
from tests.harness import PATIENCE, looks
from tests.runtime.test_dev_stack import admin, report

CAMPAIGN = """
key: courtship
name: Courtship
track: {clicks: true, categories: [transactional]}
replies: {}
entry: {event: Signed Up}
steps:
  - {id: push, send: {channel: push, template: push, category: transactional}}
  - {id: opened, wait_for: {event: Push Opened, where: event.properties.action == "buy", timeout: 30d}}
  - {id: again, send: {channel: push, template: push, category: transactional}}
  - {id: dismissed, wait_for: {event: Push Dismissed, timeout: 30d}}
  - {id: text, send: {channel: sms, template: text, category: one-time-code}}
  - {id: answered, wait_for: {event: SMS Replied, where: event.properties.text == "Yes <b>", timeout: 30d}}
  - {id: chat, send: {channel: chat, template: chat, category: transactional}}
  - {id: rated, wait_for: {event: Chat Rated, where: event.properties.rating == 4.0, timeout: 30d}}
  - {id: mail, send: {channel: email, template: mail, category: transactional}}
  - {id: clicked, wait_for: {event: Email Link Clicked, timeout: 30d}}
  - {id: reply, wait_for: {event: Email Replied, timeout: 30d}}
  - {id: bounced, wait_for: {event: Email Bounced, timeout: 30d}}
"""
TEMPLATES = {
    "push.liquid": "---\nchannel: push\ntitle: Your cart\nactions: [{id: buy, title: Buy it}]\n---\nStill there.\n",
    "text.liquid": "---\nchannel: sms\n---\nIs it still wanted?\n",
    "chat.liquid": "---\nchannel: chat\n---\nMay I help?\n",
    "mail.liquid": "---\nchannel: email\nsubject: Look\nfrom: hello@example.com\ntext: Look at it\n---\n"
    '<p><a href="https://shop.example.com/a">See the shop</a></p>\n',
}
PERSON = {"email": "ada@example.com", "phone": "+4915112345678", "consent": {"push": True, "sms": True, "chat": True}}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOJOURN_SMTP_HOST", raising=False)


class Reader:
    """Somebody before the page of a person, who reacts to messages."""

    def __init__(self, page: Session) -> None:
        self._page = page

    async def press(self, label: str, *, title: str, marked: str) -> None:
        """Press a button of the newest message with a title, once it is there; wait for the mark that follows."""
        newest = f"[...document.querySelectorAll('article')].find(one => one.innerText.includes({title!r}))"
        button = f"[...({newest})?.querySelectorAll('button') ?? []].find(one => one.innerText === {label!r})"
        await self._page.until(f"!!({button})")
        await self._page.run(f"({button}).click()")
        await self._page.until(f"({newest})?.innerText.includes({marked!r})")

    async def write(self, text: str, *, title: str, marked: str) -> None:
        """Answer a message by the keyboard, without losing what is written while the page renews itself."""
        area = f"[...document.querySelectorAll('textarea')].find(one => one.ariaLabel.includes({title!r}))"
        await self._page.until(f"!!({area})")
        await self._page.run(f"({area}).focus()")
        await self._page.call("Input.insertText", text=text)
        await self.press("Reply", title=title, marked=marked)

    async def until_listed(self, number: int) -> None:
        await self._page.until(f"document.querySelectorAll('article').length === {number}")


@pytest.mark.takes_long
async def test_a_reader_opens_dismisses_answers_rates_clicks_and_bounces(folder: Path, tmp_path: Path) -> None:
    async with (
        DevStack(folder, durable=False) as stack,
        httpx.AsyncClient(base_url=stack.api_url, trust_env=False, timeout=60) as http,
        devtools(tmp_path) as browser,
    ):
        document = {"file": "campaign.yaml", "source": CAMPAIGN, "templates": TEMPLATES}
        published = await http.post("/v1/campaigns", json=document, headers=admin(stack))
        assert published.is_success, published.text
        (await http.post("/v1/campaigns/courtship/start", headers=admin(stack))).raise_for_status()
        await report(stack, http, {"type": "identify", "userId": "u-1", "traits": PERSON})
        device = {"kind": "token", "value": "fMEP0vJqS0:APA91bHqX", "app": "com.example.shop"}
        write_key = (stack.settings.write_key.get_secret_value(), "")
        (await http.put("/v1/users/u-1/devices/d-1", json=device, auth=write_key)).raise_for_status()
        await report(stack, http, {"type": "track", "userId": "u-1", "event": "Signed Up"})

        assert stack.inbox is not None
        page = await browser.page()
        await page.open(f"{stack.inbox.url}/?person=u-1")
        reader = Reader(page)
        await reader.press("Buy it", title="Your cart", marked="opened")
        await reader.until_listed(2)
        await reader.press("Dismiss", title="Your cart", marked="dismissed")
        await reader.write("Yes <b>", title="Is it still wanted?", marked="replied")
        assert await page.run("document.querySelector('.bubble.own').innerText.includes('Yes <b>')")
        await reader.press("Rate 4", title="May I help?", marked="chat")
        await _until_a_person_could_click(stack)
        await reader.press("Click “See the shop”", title="Look", marked="clicked")
        await reader.write("Call me", title="Look", marked="replied")
        await reader.press("Bounce", title="Look", marked="bounced")
        timeline = await _until_over(stack, http)
        elsewhere = await http.post(f"{stack.inbox.url}/messages/1/reactions", data={"reaction": "opened"})
        listed = (await http.get(f"{stack.inbox.url}/", params={"channel": "chat"})).text

    events = [item["summary"] for item in timeline if item["kind"] == "event"]
    for name in ("Push Opened", "Push Dismissed", "SMS Replied", "Chat Rated", "Email Link Clicked", "Email Bounced"):
        assert events.count(name) == 1, events
    assert elsewhere.status_code == 403
    assert ("May I help?" in listed, "Is it still wanted?" in listed) == (True, False)


async def _until_a_person_could_click(stack: DevStack) -> None:
    """A click within two seconds of the delivery is a machine's."""
    clicked = "SELECT FROM messages WHERE channel = 'email' AND settled_at < clock_timestamp() - interval '2.5 s'"
    async for is_last in looks(PATIENCE):
        async with stack.database.transaction() as connection:
            if await (await connection.execute(clicked)).fetchone() is not None:
                return
        assert not is_last


async def _until_over(stack: DevStack, http: httpx.AsyncClient) -> list[dict[str, Any]]:
    """The timeline, once the journey has gone through all of its steps."""
    async for is_last in looks(PATIENCE):
        [journey] = (await http.get("/v1/journeys?user=u-1", headers=admin(stack))).json()["journeys"]
        if journey["state"] == "completed":
            break
        assert not is_last, journey
    found = await http.get("/v1/users/u-1/timeline?limit=500", headers=admin(stack))
    items: list[dict[str, Any]] = found.json()["items"]
    return items
