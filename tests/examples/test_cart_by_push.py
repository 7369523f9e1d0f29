"""Notifications that wait for the morning, find no device any more, are not opened, and are opened."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pytest

from channels.google_token import GoogleToken
from channels.provider_kind import ProviderContext
from channels.push import fcm
from channels.push.fcm import SCOPE, Fcm
from channels.sms import twilio
from cli.demo.zones import zone_where_it_is
from cli.documents import templates_beside
from domain.sending.outbound_secrets import BoundSecret
from domain.sending.providers.fcm import FcmModel
from tests.channels.local_providers import put_at
from tests.channels.servers import Service, answer, listening
from tests.channels.test_ad_platforms import KEY
from tests.examples.harness import EXAMPLES, next_clock
from tests.harness import PATIENCE, WRITE_KEY, Harness, ahead, open_harness
from tests.servers import TemporalServer

PROVIDERS = """
providers:
  firebase: {kind: fcm, channel: push, service_account: {env: SOJOURN_SECRET_FIREBASE}}
  texts:
    kind: twilio
    channel: sms
    account: AC00000000000000000000000000000000
    token: {env: SOJOURN_SECRET_TOKEN}
    from: "+15005550006"
"""
PUSH, TEXT = "POST /v1/projects/shop/messages:send", "POST /2010-04-01/"
UNREGISTERED = {
    "error": {
        "code": 404,
        "details": [
            {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "UNREGISTERED"},
        ],
    }
}
# A number in each of some zones: in one of them it is day.
NUMBERS = {"America/New_York": "+12125550123", "Europe/Berlin": "+4915112345678", "Asia/Tokyo": "+819012345678"}


@dataclass
class Shop:
    """A shop with an app, whose notifications and texts this service takes."""

    harness: Harness
    service: Service

    async def comes(self, user: str, timezone: str, **traits: object) -> None:
        """Let somebody install the app, who agrees to notifications."""
        consent = {"push": True, "sms": "phone" in traits}
        known = {"email": f"{user}@example.com", "timezone": timezone, "consent": consent}
        await self.harness.identify(user, **known, **traits)
        device = {"kind": "token", "value": f"token-of-{user}"}
        path, headers = f"/v1/users/{user}/devices/phone", {"Authorization": f"Bearer {WRITE_KEY}"}
        assert (await self.harness.http.put(path, json=device, headers=headers)).status_code == 204

    async def leaves_a_cart(self, user: str) -> None:
        await self.harness.track(user, "Cart Abandoned", {"cart_id": f"of-{user}"})

    def pushed(self, user: str) -> list[dict[str, str]]:
        """The data of the notifications to a person's device."""
        sent = [json.loads(one.body)["message"] for one in self.service.requests if one.line.startswith(PUSH)]
        return [one["data"] for one in sent if one["token"] == f"token-of-{user}"]

    async def told(self, user: str) -> list[str]:
        """What the timeline says of the message."""
        items = await self.harness.timeline(user)
        return [item["summary"] for item in items if item["kind"] in ("send", "message")]


@pytest.fixture
async def shop(database_url: str, temporal: TemporalServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    service = Service(
        replies={
            "POST /token": answer(200, b'{"access_token": "t", "expires_in": 3599}'),
            PUSH: answer(200, b'{"name": "projects/shop/messages/7"}'),
            TEXT: answer(201, b'{"sid": "SM0"}'),
        }
    )
    async with listening(service.talk) as port:
        base = f"http://127.0.0.1:{port}"

        def open_fcm(_: FcmModel, __: ProviderContext) -> Fcm:
            return Fcm("shop", GoogleToken(KEY, SCOPE, f"{base}/token", PATIENCE), base, PATIENCE)

        put_at(monkeypatch, fcm.KIND, open_fcm)
        monkeypatch.setattr(twilio, "BASE", base)
        secrets = {"TOKEN": BoundSecret("a-token-of-the-tests", place="SOJOURN_SECRET_TOKEN")}
        async with open_harness(database_url, temporal, webhook_secrets=secrets) as harness:
            await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": PROVIDERS})
            source = (EXAMPLES / "cart-by-push.yaml").read_text()
            await harness.run_campaign(source, templates_beside(EXAMPLES / "any.yaml"))
            yield Shop(harness, service)


async def test_at_night_it_waits_for_the_morning_and_a_purchase_before_it_is_the_end(shop: Shop) -> None:
    """About 22:40 where she lives, and 08:59 on the next day."""
    zone = zone_where_it_is(22, datetime.now(UTC))
    await shop.comes("ada", zone)
    await shop.leaves_a_cart("ada")
    [deferred] = await shop.harness.decisions.until(outcome="deferred")
    opens = next_clock(datetime.now(UTC), zone, time(9))
    assert (deferred["reason"], datetime.fromisoformat(deferred["data"]["until"])) == ("send_window", opens)
    journey = await shop.harness.journey("ada")
    before = next_clock(datetime.now(UTC), zone, time(8, 59)) - datetime.now(UTC)
    await shop.harness.skip(journey, seconds=before.total_seconds())
    with ahead(before):
        await shop.harness.track("ada", "Order Completed", {"cart_id": "of-ada"})
    assert await journey.result() == "exited"
    assert (shop.pushed("ada"), await shop.harness.messages.all()) == ([], [])
    [told] = await shop.told("ada")
    assert told.startswith("nudge: deferred to")
    # With the date, where it is another one than in UTC.
    assert f"09:00 {zone})" in told


async def test_without_a_device_a_text_goes_and_without_an_opening_a_mail(shop: Shop) -> None:
    clocks = {zone: datetime.now(ZoneInfo(zone)) for zone in NUMBERS}
    zone = next(name for name, clock in clocks.items() if 9 <= clock.hour < 20)
    harness, service = shop.harness, shop.service

    # The app was removed: the device is dead.
    service.replies[PUSH] = answer(404, json.dumps(UNREGISTERED).encode())
    await shop.comes("bea", zone, phone=NUMBERS[zone])
    await shop.leaves_a_cart("bea")
    await harness.messages.until(channel="sms", state="sent")
    [text] = [dict(parse_qsl(one.body.decode())) for one in service.requests if one.line.startswith(TEXT)]
    assert (text["To"], text["Body"][:27]) == (NUMBERS[zone], "Example Shop: your cart wai")
    [device] = await harness.query("SELECT removed_reason FROM device_addresses WHERE value = 'token-of-bea'")
    assert device == {"removed_reason": "unregistered"}
    tried = await harness.query("SELECT channel, state FROM deliveries ORDER BY at")
    assert [tuple(row.values()) for row in tried] == [("push", "failed"), ("sms", "sent")]
    await harness.track("bea", "Order Completed", {"cart_id": "of-bea"})
    assert await (await harness.journey("bea")).result() == "exited"

    # Here the device gets it; one of them opens it.
    service.replies[PUSH] = answer(200, b'{"name": "projects/shop/messages/7"}')
    for user in ("cem", "dora"):
        await shop.comes(user, zone)
        await shop.leaves_a_cart(user)
        await harness.rests(await harness.journey(user), "nudge.wait")
    [pushed] = shop.pushed("dora")
    report = f"{urlsplit(pushed['report_url']).path}/opened"
    assert (await harness.http.post(report)).status_code == 204
    assert await (await harness.journey("dora")).result() == "completed"
    unopened = await harness.journey("cem")
    await harness.skip(unopened, seconds=timedelta(hours=6).total_seconds())
    asked = await harness.decisions.until(step="nudge.fallback")
    if any(one["outcome"] == "deferred" for one in asked):
        # Six hours later it is night there.
        await harness.skip(unopened, hours=12)
    assert await unopened.result() == "completed"
    assert [mail.recipients for mail in harness.inbox.messages] == [("cem@example.com",)]
    assert len(shop.pushed("cem")) == 1
