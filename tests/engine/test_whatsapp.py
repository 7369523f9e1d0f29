"""WhatsApp over HTTP: templates and free texts to people, and what the Cloud API says of them."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from channels.whatsapp import cloud
from cli.documents import templates_beside
from domain.sending.outbound_secrets import BoundSecret
from tests.channels.servers import Receiver, answer, listening
from tests.channels.whatsapp_callbacks import choice, message, sign, status
from tests.engine.test_texts import number_by_day
from tests.harness import Harness, open_harness
from tests.servers import TemporalServer

EXAMPLES = Path(__file__).parents[2] / "examples"
SECRET = "a-secret-of-the-app-of-the-tests"
CALLBACKS = "/v1/callbacks/whatsapp"
DOCUMENT = """
providers:
  whatsapp:
    kind: whatsapp
    channel: whatsapp
    number: "106540352242922"
    token: {env: SOJOURN_SECRET_TOKEN}
    callback_secret: {env: SOJOURN_SECRET_APP}
    verify_token: {env: SOJOURN_SECRET_APP}
    answers: {stop: {en: You will hear nothing more., de: Sie hören nichts mehr.}}
"""


@dataclass
class Meta:
    """WhatsApp as our side sees it: takes messages, and calls back."""

    harness: Harness
    receiver: Receiver
    number: str = field(default_factory=number_by_day)

    @property
    def sent(self) -> list[dict[str, Any]]:
        """The messages so far."""
        return [json.loads(request.body) for request in self.receiver.requests]

    async def writes(self, text: str, id: str = "wamid.in", ago: timedelta = timedelta(0)) -> httpx.Response:
        return await self.call_back(message(id, datetime.now(UTC) - ago, self.number.lstrip("+"), text=text))

    async def reports(self, state: str, sent: dict[str, Any], code: int | None = None) -> httpx.Response:
        id = sent["biz_opaque_callback_data"]
        return await self.call_back(status(state, f"wamid.{id}", id, datetime.now(UTC), code))

    async def chooses(self, value: str) -> None:
        """A choice that comes twice, by a clock that is ahead: its seconds are whole."""
        made = choice(value, datetime.now(UTC) + timedelta(seconds=2), self.number.lstrip("+"))
        for _ in range(2):
            assert (await self.call_back(made)).status_code == 200

    async def call_back(self, data: dict[str, Any]) -> httpx.Response:
        body = json.dumps(data).encode()
        return await self.harness.http.post(CALLBACKS, content=body, headers=sign(body, SECRET))


@pytest.fixture
async def meta(database_url: str, temporal: TemporalServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Meta]:
    receiver = Receiver(answer(200, b'{"messages": [{"id": "wamid.1"}]}'))
    secrets = {name: BoundSecret(SECRET, place=f"SOJOURN_SECRET_{name}") for name in ("TOKEN", "APP")}
    async with listening(receiver.talk) as port:
        monkeypatch.setattr(cloud, "BASE", f"http://127.0.0.1:{port}")
        async with open_harness(database_url, temporal, webhook_secrets=secrets) as harness:
            await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": DOCUMENT})
            yield Meta(harness, receiver)


async def run_example(harness: Harness, name: str) -> None:
    path = EXAMPLES / f"{name}.yaml"
    await harness.run_campaign(path.read_text(), templates_beside(path))


async def test_the_address_of_callbacks_is_verified_by_the_token(meta: Meta) -> None:
    http = meta.harness.http
    asked = {"hub.mode": "subscribe", "hub.verify_token": SECRET, "hub.challenge": "1158201444"}
    found = await http.get(CALLBACKS, params=asked)
    assert (found.status_code, found.text) == (200, "1158201444")
    assert found.headers["content-type"].startswith("text/plain")
    refused = await http.get(CALLBACKS, params={**asked, "hub.verify_token": "another"})
    assert (refused.status_code, "1158201444" in refused.text) == (401, False)
    assert (await http.get(CALLBACKS)).status_code == 200


async def test_a_template_is_delivered_read_and_answered_by_a_free_text(meta: Meta) -> None:
    harness = meta.harness
    await run_example(harness, "cart-by-whatsapp")
    await run_example(harness, "whatsapp-help")
    await harness.identify("ada", phone=meta.number, first_name="Ada", consent={"whatsapp": True})
    await harness.track("ada", "Cart Abandoned", {"cart_id": "c1"})
    journey = await harness.journey("ada")
    await harness.skip(journey, minutes=30)
    [row] = await harness.messages.until(channel="whatsapp", state="sent")
    [sent] = meta.sent
    assert (sent["to"], row["address"], row["provider_id"]) == (meta.number, meta.number, "wamid.1")
    assert sent["template"]["name"] == "cart_reminder"
    assert sent["template"]["components"][0]["parameters"] == [{"type": "text", "text": "Ada"}]

    # In any order, and twice.
    for state in ("read", "sent", "delivered", "read"):
        assert (await meta.reports(state, sent)).status_code == 200
    row = await harness.messages.one()
    assert row["delivered_at"] is not None
    assert row["opened_at"] is not None

    for _ in range(2):
        assert (await meta.writes("Is it still there?")).status_code == 200
    await harness.messages.until(step="answer", state="sent")
    assert [one.get("text") for one in meta.sent] == [
        None,
        {"body": "Thank you, Ada: a colleague answers you here today."},
    ]
    told = await harness.timeline("ada")
    events = [item["summary"] for item in told if item["summary"].startswith("WhatsApp")]
    assert sorted(events) == ["WhatsApp Opened", "WhatsApp Replied"]
    [replied] = [item for item in told if item["summary"] == "WhatsApp Replied"]
    assert replied["data"]["properties"]["campaign"] == "cart-by-whatsapp"
    history = (await journey.fetch_history()).to_json()
    assert meta.number not in history
    assert "still there" not in history


CHOICE = """
key: late
name: Late
entry: {event: Asked}
steps:
  - {id: answer, send: {channel: [whatsapp, email], template: late}}
"""
TEXT = "---\nchannel: whatsapp\n---\nHello\n"
MAIL = "---\nchannel: email\nfrom: Shop <shop@example.com>\nsubject: Hello\ntext: Hello\n---\n<p>Hello</p>\n"


async def test_a_free_text_outside_the_window_is_not_sent_and_the_next_channel_is(meta: Meta) -> None:
    harness = meta.harness
    await harness.run_campaign(CHOICE, {"late.whatsapp.liquid": TEXT, "late.email.liquid": MAIL})
    await harness.identify("ada", phone=meta.number, email="ada@example.com", consent={"whatsapp": True, "email": True})
    await meta.writes("Hello?", ago=timedelta(hours=25))
    await harness.track("ada", "Asked")
    await harness.messages.until(channel="email", state="sent")
    assert meta.sent == []
    tries = await harness.query("SELECT channel, reason, detail FROM deliveries ORDER BY channel")
    [refused] = [one for one in tries if one["channel"] == "whatsapp"]
    assert refused["reason"] == "window"
    assert "use a template" in refused["detail"]

    # A callback that comes late closes no window.
    await meta.writes("Are you there?", "wamid.2")
    await meta.writes("An earlier one", "wamid.3", ago=timedelta(hours=30))
    await harness.identify("bo", phone=meta.number, consent={"whatsapp": True})
    await harness.track("bo", "Asked")
    await harness.messages.until(channel="whatsapp", state="sent")
    assert [one["text"] for one in meta.sent] == [{"body": "Hello"}]


async def test_a_choice_about_marketing_is_the_consent(meta: Meta) -> None:
    harness = meta.harness
    await harness.identify("ada", phone=meta.number, consent={"whatsapp": True})

    async def is_allowed() -> bool:
        shown = (await harness.admin("GET", "/v1/users/ada"))["consent"]["whatsapp"]
        return bool(shown["is_allowed"])

    assert await is_allowed()
    await meta.chooses("stop")
    assert not await is_allowed()
    told = [item["summary"] for item in await harness.timeline("ada")]
    assert told.count("Unsubscribed") == 1
    await meta.chooses("resume")
    assert await is_allowed()
    # The number of nobody is remembered, too.
    await meta.call_back(choice("stop", datetime.now(UTC), "447700900123"))
    await harness.identify("bo", phone="+447700900123", consent={"whatsapp": True})
    assert not (await harness.admin("GET", "/v1/users/bo"))["consent"]["whatsapp"]["is_allowed"]


async def test_stop_is_answered_in_the_person_s_language(meta: Meta) -> None:
    await meta.harness.identify("ada", phone=meta.number, locale="de-AT")
    await meta.writes("Bitte stopp das Paket nicht", "wamid.2")
    assert meta.sent == []
    await meta.writes("Stopp!", "wamid.3")
    assert [one["text"]["body"] for one in meta.sent] == ["Sie hören nichts mehr."]


async def test_marketing_stopped_at_whatsapp_fails_the_message_and_no_other(meta: Meta) -> None:
    harness = meta.harness
    await harness.run_campaign(
        "key: a\nname: A\nentry: {event: Asked}\nsteps: [{id: s, send: {channel: whatsapp, template: a}}]\n",
        {"a.liquid": "---\nchannel: whatsapp\ntemplate: {name: a, language: en}\n---\n"},
    )
    await harness.identify("ada", phone=meta.number, consent={"whatsapp": True})
    meta.receiver.reply = answer(400, b'{"error": {"code": 131050}}')
    await harness.track("ada", "Asked")
    [row] = await harness.messages.until(state="failed")
    assert row["reason"] == "marketing_stopped"
    [address] = await harness.query("SELECT refusals FROM addresses WHERE channel = 'whatsapp'")
    assert address["refusals"] == {"opt_out": "the person stopped marketing at the provider"}
