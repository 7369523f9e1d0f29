"""Text messages over HTTP: sent by Twilio, answered by people, stopped by one word and by nothing else."""

import asyncio
import hmac
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from zoneinfo import ZoneInfo

import httpx
import pytest

from channels.sms import twilio
from cli.documents import templates_beside
from domain.sending.outbound_secrets import BoundSecret
from tests.channels.servers import Receiver, answer, listening
from tests.engine.single_messages import show
from tests.harness import Harness, open_harness
from tests.servers import TemporalServer

EXAMPLES = Path(__file__).parents[2] / "examples"
AUTH_TOKEN = "an-auth-token-of-the-tests"
PUBLIC_URL = "https://sojourn.example.com"
SHOP = "+15005550006"
DOCUMENT = """
providers:
  texts:
    kind: twilio
    channel: sms
    account: AC00000000000000000000000000000000
    token: {env: SOJOURN_SECRET_TOKEN}
    callback_secret: {env: SOJOURN_SECRET_HOOK}
    from: "+15005550006"
    answers: {stop: Example Shop sends no more texts., start: Welcome back., help: "Example Shop, help@example.com"}
"""
# A number in each of some zones: in one of them it is day.
NUMBERS = {"America/New_York": "+12125550123", "Europe/Berlin": "+4915112345678", "Asia/Tokyo": "+819012345678"}


def number_by_day() -> str:
    """The number of somebody to whom the law lets us write for an hour."""
    now = datetime.now(UTC)
    clocks = {zone: [(now + ahead).astimezone(ZoneInfo(zone)) for ahead in AHEAD] for zone in NUMBERS}
    return next(NUMBERS[zone] for zone, shown in clocks.items() if all(8 <= clock.hour < 21 for clock in shown))


AHEAD = (timedelta(0), timedelta(hours=1))


@dataclass
class Carrier:
    """Twilio as our side sees it: takes messages, and calls back."""

    harness: Harness
    receiver: Receiver
    number: str = field(default_factory=number_by_day)
    heard: int = 0

    @property
    def other_number(self) -> str:
        """A number that is not `number`, at any hour of the day."""
        return next(one for one in NUMBERS.values() if one != self.number)

    @property
    def sent(self) -> list[dict[str, str]]:
        """The forms of the messages so far."""
        return [dict(parse_qsl(request.body.decode())) for request in self.receiver.requests]

    @property
    def bodies(self) -> list[str]:
        return [form["Body"] for form in self.sent]

    async def writes(self, text: str, **fields: str) -> httpx.Response:
        """A person's text, by a new callback unless `MessageSid` names one."""
        self.heard += 1
        form = {"MessageSid": f"SM{self.heard}", "SmsStatus": "received", "From": self.number, "To": SHOP}
        return await self.call_back(f"{PUBLIC_URL}/v1/callbacks/texts", {**form, "Body": text, **fields})

    async def reports(self, form: dict[str, str], status: str, **fields: str) -> httpx.Response:
        return await self.call_back(form["StatusCallback"], {"MessageSid": "SM1", "MessageStatus": status, **fields})

    async def call_back(self, url: str, form: dict[str, str]) -> httpx.Response:
        signed = url + "".join(name + form[name] for name in sorted(form))
        signature = b64encode(hmac.new(AUTH_TOKEN.encode(), signed.encode(), "sha1").digest()).decode()
        headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
        path = url.removeprefix(PUBLIC_URL)
        return await self.harness.http.post(path, content=urlencode(form), headers=headers)


@pytest.fixture
async def carrier(
    database_url: str, temporal: TemporalServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Carrier]:
    receiver = Receiver(answer(201, b'{"sid": "SM0"}'))
    secrets = {name: BoundSecret(AUTH_TOKEN, place=f"SOJOURN_SECRET_{name}") for name in ("TOKEN", "HOOK")}
    async with listening(receiver.talk) as port:
        monkeypatch.setattr(twilio, "BASE", f"http://127.0.0.1:{port}")
        async with open_harness(database_url, temporal, webhook_secrets=secrets) as harness:
            await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": DOCUMENT})
            yield Carrier(harness, receiver)


async def refusals(harness: Harness) -> dict[str, Any]:
    """The refusals of all numbers."""
    found = await harness.query("SELECT value, refusals FROM addresses WHERE channel = 'sms'")
    return {row["value"]: row["refusals"] for row in found}


def replies(timeline: list[dict[str, Any]]) -> list[str]:
    return [item["data"]["properties"]["text"] for item in timeline if item["summary"] == "SMS Replied"]


async def test_stop_ends_texts_and_nothing_else(carrier: Carrier) -> None:
    harness = carrier.harness
    await harness.run_campaign(
        (EXAMPLES / "cart-by-text.yaml").read_text(), templates_beside(EXAMPLES / "cart-by-text.yaml")
    )
    national = {"phone": carrier.number, "email": "ada@example.com", "consent": {"sms": True}}
    await harness.identify("ada", **national)
    await harness.track("ada", "Cart Abandoned", {"cart_id": "c1"})
    journey = await harness.journey("ada")
    await harness.skip(journey, minutes=30)
    [row] = await harness.messages.until(channel="sms", state="sent")
    [form] = carrier.sent
    assert (form["To"], form["From"], row["address"]) == (carrier.number, SHOP, carrier.number)
    assert form["Body"].startswith("Example Shop: your cart is saved.")
    assert dict(parse_qsl(urlsplit(form["StatusCallback"]).query)) == {"message_id": str(row["id"])}

    assert (await carrier.reports(form, "delivered")).status_code == 200
    assert (await harness.messages.one())["delivered_at"] is not None

    for _ in range(2):
        assert (await carrier.writes(" Stop!", MessageSid="SM7")).status_code == 200
    assert await refusals(harness) == {carrier.number: {"stop": "the person wrote STOP"}}
    assert carrier.bodies[1:] == ["Example Shop sends no more texts."]
    # Twice is once: a further STOP has no further answer.
    await carrier.writes("stop")
    assert len(carrier.sent) == 2

    await harness.skip(journey, days=1)
    await journey.result()
    told = await harness.timeline("ada")
    [refused] = [item for item in told if item["kind"] == "send" and item["outcome"] == "refused"]
    assert (refused["step"], refused["reason"]) == ("last-text", "no_consent")
    assert "the address refuses sms: the person wrote STOP" in refused["summary"]
    assert [mail.subject for mail in harness.inbox.messages] == ["We saved your cart"]
    assert replies(told) == [" Stop!", "stop"]
    [first] = [
        item for item in told if item["summary"] == "SMS Replied" and item["data"]["properties"]["text"] != "stop"
    ]
    assert first["data"]["properties"]["campaign"] == "cart-by-text"
    assert first["data"]["properties"]["word"] == "stop"

    # Nothing personal in Temporal.
    history = (await journey.fetch_history()).to_json()
    assert carrier.number not in history
    assert "Stop!" not in history


CODE = "---\nchannel: sms\n---\nYour code: {{ entry.properties.code }}\n"


async def request(harness: Harness, template: str, **more: Any) -> dict[str, Any]:
    asked: dict[str, Any] = await harness.admin(
        "POST",
        "/v1/messages",
        {"template": {"channel": "sms", "name": template}, "user_id": "ada", "data": {"code": "4711"}, **more},
    )
    return await show(harness, asked["id"])


async def test_after_a_stop_only_one_time_codes_go_until_a_start(carrier: Carrier) -> None:
    harness = carrier.harness
    for name, category in (("code", "one-time-code"), ("receipt", "transactional")):
        body = {"files": {f"{name}.liquid": CODE}, "category": category}
        await harness.admin("PUT", f"/v1/templates/sms/{name}", body)
    await harness.identify("ada", phone=carrier.number)
    # She has got no message yet: the number alone says who writes.
    await carrier.writes("Parar")
    assert carrier.bodies == ["Example Shop sends no more texts."]
    assert (await request(harness, "receipt"))["state"] == "refused"
    assert (await request(harness, "code"))["state"] == "sent"
    assert carrier.bodies[1:] == ["Your code: 4711"]
    await carrier.writes("START")
    await carrier.writes("start")
    assert carrier.bodies[2:] == ["Welcome back."]
    assert (await request(harness, "receipt"))["state"] == "sent"
    await carrier.writes("help")
    assert carrier.bodies[-1] == "Example Shop, help@example.com"
    # Once a day: else two machines would answer each other for ever.
    asked = len(carrier.sent)
    await carrier.writes("info")
    assert len(carrier.sent) == asked
    await carrier.writes("help", From=carrier.other_number)
    assert carrier.bodies[asked:] == ["Example Shop, help@example.com"]
    assert await refusals(harness) == {carrier.number: {"stop": None}}


async def test_a_start_lifts_nothing_that_a_stop_did_not_set(carrier: Carrier) -> None:
    harness = carrier.harness
    await harness.identify("ada", phone=carrier.number, consent={"sms": False})
    await harness.admin("PUT", "/v1/users/ada/suppressions/sms", {"reason": "a wrong number"})
    await carrier.writes("start")
    assert carrier.sent == []
    shown = (await harness.admin("GET", "/v1/users/ada"))["consent"]["sms"]
    assert shown["is_allowed"] is False
    assert (await refusals(harness))[carrier.number]["suppression"] == "a wrong number"


async def test_a_number_that_no_person_has_is_kept_and_refused_all_the_same(carrier: Carrier) -> None:
    harness = carrier.harness
    for _ in range(2):
        await carrier.writes("STOP", MessageSid="SM8")
    await carrier.writes("Who is this?")
    rejects = (await harness.admin("GET", "/v1/rejects?source=sms"))["rejects"]
    assert [one["error"] for one in rejects] == ["a text message from a number that no person has"] * 2
    assert carrier.bodies == ["Example Shop sends no more texts."]
    await harness.identify("bo", phone=carrier.number, consent={"sms": True})
    shown = (await harness.admin("GET", "/v1/users/bo"))["consent"]["sms"]
    assert (shown["is_allowed"], shown["refusal"]) == (
        False,
        "no_consent: the address refuses sms: the person wrote STOP",
    )


async def test_a_stop_with_what_no_table_can_hold_is_heard(carrier: Carrier) -> None:
    harness = carrier.harness
    assert (await carrier.writes("Stop\0", MessageSid="SM\0")).status_code == 200
    assert await refusals(harness) == {carrier.number: {"stop": "the person wrote STOP"}}
    await harness.identify("bo", phone=carrier.other_number, consent={"sms": True})
    assert (await carrier.writes("STOP \0" + "x" * 50_000, From=carrier.other_number)).status_code == 200
    assert (await refusals(harness))[carrier.other_number] == {"stop": "the person wrote STOP"}
    assert carrier.bodies == ["Example Shop sends no more texts."] * 2


async def test_a_national_number_is_the_one_of_the_person_s_country(carrier: Carrier) -> None:
    harness = carrier.harness
    await harness.identify("ada", phone="0151 12345678")
    assert await refusals(harness) == {}
    await carrier.writes("STOP", From="+4915112345678")
    # Her country comes later, and makes it that number.
    await harness.identify("ada", country="DE", consent={"sms": True})
    [found] = (await harness.admin("GET", "/v1/users?address=%2B4915112345678"))["users"]
    assert found["user_id"] == "ada"
    assert (await harness.admin("GET", "/v1/users/ada"))["consent"]["sms"]["is_allowed"] is False
    await carrier.writes("Start", From="+4915112345678")
    assert (await harness.admin("GET", "/v1/users/ada"))["consent"]["sms"]["is_allowed"] is True


async def test_a_text_that_answers_a_message_can_end_its_journey(carrier: Carrier) -> None:
    harness = carrier.harness
    campaign = """
key: ask
name: Ask
entry: {event: Asked}
exit: [{event: SMS Replied, where: event.properties.campaign == "ask" && "yes" in event.properties.patterns}]
steps:
  - {id: question, send: {channel: sms, template: question}}
  - {id: rest, delay: 1d}
"""
    await harness.run_campaign(campaign, {"question.liquid": "---\nchannel: sms\n---\nIs it you? Reply YES.\n"})
    patterns = 'patterns:\n  - {name: "yes", when: ["^yes"]}\n'
    await harness.admin("PUT", "/v1/replies", {"file": "replies.yaml", "source": patterns})
    await harness.identify("ada", phone=carrier.number, consent={"sms": True})
    await harness.track("ada", "Asked")
    await harness.messages.until(state="sent")
    await carrier.writes("No, who is it?")
    assert (await harness.journeys.one())["state"] == "active"
    await carrier.writes("Yes!")
    assert (await harness.journeys.one())["state"] == "exited"
    row = await harness.messages.one()
    assert row["replied_at"] is not None
    # They said nothing that refuses, and nothing answers.
    assert await refusals(harness) == {carrier.number: {}}
    assert len(carrier.sent) == 1


async def test_a_number_that_the_provider_refuses_gets_no_other_message(carrier: Carrier) -> None:
    harness = carrier.harness
    body = {"files": {"receipt.liquid": CODE}, "category": "transactional"}
    await harness.admin("PUT", "/v1/templates/sms/receipt", body)
    await harness.identify("ada", phone=carrier.number)
    carrier.receiver.reply = answer(400, b'{"code": 21610}')
    assert (await request(harness, "receipt"))["state"] == "failed"
    assert (await refusals(harness))[carrier.number] == {"stop": "the person told the provider to STOP"}
    assert (await request(harness, "receipt"))["state"] == "refused"
    assert len(carrier.sent) == 1


async def test_stops_race_with_a_grant_and_no_text_goes_after_one(carrier: Carrier) -> None:
    harness = carrier.harness
    body = {"files": {"receipt.liquid": CODE}, "category": "transactional"}
    await harness.admin("PUT", "/v1/templates/sms/receipt", body)
    await harness.identify("ada", phone=carrier.number)
    begun = asyncio.gather(*(request(harness, "receipt") for _ in range(8)))
    await asyncio.sleep(0)
    await carrier.writes("STOP")
    before = len([text for text in carrier.bodies if text.startswith("Your code")])
    states = [one["state"] for one in await begun]
    after = [text for text in carrier.bodies if text.startswith("Your code")]
    # A call that had begun may still arrive; each that was granted has gone, and no other.
    assert len(after) == states.count("sent") >= before
    assert (await request(harness, "receipt"))["state"] == "refused"
