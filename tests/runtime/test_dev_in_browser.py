"""`sojourn dev` in a real browser: reactions let campaigns go on, and the example of web push works."""

import json
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, LiteralString

import httpx
import jwt
import pytest

from channels.push.web_push import build_payload
from cli.dev_stack import DevStack
from domain.sending.delivery import Outbound
from tests.clients.axe import find_faults
from tests.clients.devtools import DevTools, Session, devtools
from tests.harness import PATIENCE, looks
from tests.runtime.test_dev_stack import admin, report
from tests.servers import server_folder

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
EXAMPLE = Path(__file__).parents[2] / "examples" / "web-push"
CART = """
key: cart
name: Cart
entry: {event: Cart Abandoned}
steps:
  - {id: push, send: {channel: push, template: push}}
  - {id: rest, delay: 30d}
"""
CART_PUSH = """---
channel: push
title: Your cart waits
image: https://shop.example.com/cart.png
actions: [{id: buy, title: Buy it}]
---
Still there.
"""
PUBLIC_KEY = "BEl62iUYgUivxIkv69yViEuiBIa-Ib9-SkvMeAtA3LFgDzkrxZJjSgSnfckjBJuBkr3qBUYIHBQFLXYp5Nksh8U"
ENDPOINT = "https://fcm.googleapis.com/fcm/send/abc"
SUBSCRIPTION = {"endpoint": ENDPOINT, "keys": {"p256dh": PUBLIC_KEY, "auth": "AAECAwQFBgcICQoLDA0ODw"}}
# Headless Chromium denies notifications and has no push service: these answer in the place of both.
ALLOWED = f"""
Notification.requestPermission = async () => "granted";
PushManager.prototype.subscribe = async (asked) => {{
  window.asked = asked;
  return {{toJSON: () => ({json.dumps(SUBSCRIPTION)})}};
}};
"""
# In the place of the screen: it keeps what would be shown, and clicks and closes it as the user would.
RECORDED = """
const shown = [];
self.registration.showNotification = async (title, options) => { shown.push({title, ...options}); };
const happen = async (kind, notification, action) => {
  const event = new ExtendableEvent(kind), work = [];
  const own = {action, notification: {...notification, close() {}}, waitUntil: (one) => work.push(one)};
  for (const [name, value] of Object.entries(own)) Object.defineProperty(event, name, {value});
  self.dispatchEvent(event);
  await Promise.allSettled(work);
};
"""
PERSON = {"email": "ada@example.com", "phone": "+4915112345678", "consent": {"push": True, "sms": True, "chat": True}}


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[DevStack]:
    with server_folder() as folder, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SOJOURN_")]:
            patch.delenv(name)
        async with DevStack(Path(folder), durable=False) as started:
            yield started


async def run(stack: DevStack, http: httpx.AsyncClient, source: str, templates: Mapping[str, str]) -> None:
    """Publish a campaign, and start it."""
    document = {"file": "campaign.yaml", "source": source, "templates": dict(templates)}
    published = await http.post("/v1/campaigns", json=document, headers=admin(stack))
    assert published.is_success, published.text
    (await http.post(f"/v1/campaigns/{published.json()['key']}/start", headers=admin(stack))).raise_for_status()


async def until_there(stack: DevStack, query: LiteralString) -> None:
    """Wait until a query finds a row."""
    async for is_last in looks(PATIENCE):
        async with stack.database.transaction() as connection:
            if await (await connection.execute(query)).fetchone() is not None:
                return
        assert not is_last, query


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
async def test_a_reader_opens_dismisses_answers_rates_clicks_and_bounces(stack: DevStack, tmp_path: Path) -> None:
    async with (
        httpx.AsyncClient(base_url=stack.api_url, trust_env=False, timeout=60) as http,
        devtools(tmp_path) as browser,
    ):
        await run(stack, http, CAMPAIGN, TEMPLATES)
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
        faults = await find_faults(page)
        await page.open(f"{stack.inbox.url}/")
        faults += await find_faults(page)
        timeline = await _until_over(stack, http)
        elsewhere = await http.post(f"{stack.inbox.url}/messages/1/reactions", data={"reaction": "opened"})
        listed = (await http.get(f"{stack.inbox.url}/", params={"channel": "chat"})).text

    assert faults == []
    events = [item["summary"] for item in timeline if item["kind"] == "event"]
    for name in ("Push Opened", "Push Dismissed", "SMS Replied", "Chat Rated", "Email Link Clicked", "Email Bounced"):
        assert events.count(name) == 1, events
    assert elsewhere.status_code == 403
    assert ("May I help?" in listed, "Is it still wanted?" in listed) == (True, False)


async def _until_a_person_could_click(stack: DevStack) -> None:
    """A click within two seconds of the delivery is a machine's."""
    await until_there(
        stack, "SELECT FROM messages WHERE channel = 'email' AND settled_at < clock_timestamp() - interval '2.5 s'"
    )


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


class Shop(ThreadingHTTPServer):
    """The shop's web server: the example page, and the session of the user who is logged in."""

    daemon_threads = True

    def __init__(self, api_url: str) -> None:
        super().__init__(("127.0.0.1", 0), _ShopHandler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.session: dict[str, str] = {}
        loaded = (EXAMPLE / "worker.js").read_text().replace("https://journeys.example.com", api_url)
        self.worker = f"{RECORDED}\n{loaded}".encode()


class _ShopHandler(SimpleHTTPRequestHandler):
    server: Shop

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments, directory=str(EXAMPLE))

    def do_GET(self) -> None:
        own = {"/session": json.dumps(self.server.session).encode(), "/worker.js": self.server.worker}
        if (body := own.get(self.path)) is None:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json" if self.path == "/session" else "text/javascript")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def open_shop(api_url: str) -> Iterator[Shop]:
    with Shop(api_url) as shop:
        thread = Thread(target=shop.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield shop
        finally:
            shop.shutdown()
            thread.join()


@pytest.mark.takes_long
async def test_the_example_page_subscribes_and_its_worker_shows_and_reports(stack: DevStack, tmp_path: Path) -> None:
    async with (
        httpx.AsyncClient(base_url=stack.api_url, trust_env=False, timeout=60) as http,
        devtools(tmp_path) as browser,
    ):
        with open_shop(stack.api_url) as shop:
            made = await http.post(
                "/v1/keys", json={"name": "shop", "kind": "browser", "origins": [shop.url]}, headers=admin(stack)
            )
            key = made.json()
            claims = {"sub": "w-1", "aud": "sojourn", "exp": time.time() + 3_600}
            shop.session = {
                "url": stack.api_url,
                "writeKey": key["token"],
                "publicKey": PUBLIC_KEY,
                "userId": "w-1",
                "userToken": jwt.encode(claims, key["token_secret"], "HS256"),
                "deviceId": "browser-1",
            }
            await run(stack, http, CART, {"push.liquid": CART_PUSH})
            page = await browser.page()
            await page.call("Page.addScriptToEvaluateOnNewDocument", source=ALLOWED)
            await page.open(f"{shop.url}/index.html")
            await page.run("document.querySelector('button').click()")
            await page.until("document.querySelector('[role=status]').textContent === 'You will be notified.'")
            assert await page.run("window.asked") == {"userVisibleOnly": True, "applicationServerKey": PUBLIC_KEY}
            await until_there(stack, "SELECT FROM device_addresses WHERE kind = 'endpoint' AND removed_at IS NULL")
            await report(stack, http, {"type": "track", "userId": "w-1", "event": "Cart Abandoned"})

            notification = await _receive(stack, http, page, browser, shop)
            worker = await browser.worker(f"{shop.url}/worker.js")
            await worker.until("shown.length === 1")
            [shown] = await worker.run("shown")
            await worker.run(f"happen('notificationclick', {json.dumps(shown)}, 'buy')")
            await worker.run(f"happen('notificationclose', {json.dumps(shown)}, '')")
            events = await _events(stack, http)
    assert (shown["title"], shown["body"]) == ("Your cart waits", "Still there.")
    assert (shown["image"], shown["tag"]) == ("https://shop.example.com/cart.png", notification["message_id"])
    assert shown["actions"] == [{"action": "buy", "title": "Buy it"}]
    assert events["Push Opened"]["action"] == "buy"
    assert events["Push Dismissed"]["message_id"] == notification["message_id"]


async def _receive(
    stack: DevStack, http: httpx.AsyncClient, page: Session, browser: DevTools, shop: Shop
) -> dict[str, Any]:
    """Deliver the message of the inbox to the service worker, as the push service does; the message."""
    assert stack.inbox is not None
    message: dict[str, Any] = {}
    async for is_last in looks(PATIENCE):
        listed = (await http.get(f"{stack.inbox.url}/api/messages")).json()
        found = [one for one in listed if one.get("address") == ENDPOINT]
        if found:
            [message] = found
            break
        assert not is_last, listed
    sent = Outbound(
        message["message_id"], message["content"], datetime.now(UTC), None, report_url=message["report_url"]
    )
    await page.call("ServiceWorker.enable")
    registered = "ServiceWorker.workerRegistrationUpdated"
    async for is_last in looks(PATIENCE):
        known = [
            one for event in browser.events if event["method"] == registered for one in event["params"]["registrations"]
        ]
        if known:
            break
        assert not is_last
    await page.call(
        "ServiceWorker.deliverPushMessage",
        origin=shop.url,
        registrationId=known[0]["registrationId"],
        data=json.dumps(build_payload(sent)),
    )
    return message


async def _events(stack: DevStack, http: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    """The properties of what was reported of notifications, by the name of the event."""
    async for is_last in looks(PATIENCE):
        items = (await http.get("/v1/users/w-1/timeline?limit=500", headers=admin(stack))).json()["items"]
        found = {item["summary"]: item["data"]["properties"] for item in items if item["kind"] == "event"}
        if found.keys() >= {"Push Opened", "Push Dismissed"}:
            return found
        assert not is_last, items
    raise AssertionError
