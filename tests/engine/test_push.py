"""A push goes to each device of a person by the provider that serves it, and what devices report counts once."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from application.catalogue import Catalogue
from application.message_outcomes import SendOutcome
from application.providers import FoundProvider
from application.send import Sender
from application.step_decisions import StepDecisions
from domain.errors import UnavailableError
from domain.journey.requests import AuthorizeRequest
from domain.people.device_addresses import AddressKind
from domain.sending.delivery import ACCOUNT, Accepted, Ambiguous, Rejected, Replaces, Unavailable
from domain.sending.gate_answers import Answer, Granted, Refused
from domain.sending.tracking.tokens import REPORT, TrackedLink, sign
from store.database import Connection, Database
from tests.engine.fixed_providers import link_tracker
from tests.engine.positions import UNRECORDED
from tests.engine.send_harness import Provider
from tests.harness import WRITE_KEY, Harness, now

# The delay keeps the journey's own workflow away: the attempts below are the only ones.
CAMPAIGN = """
key: nudged
name: Nudged
entry: {event: Cart Abandoned}
steps:
  - {id: later, delay: 300d}
  - {id: nudge, send: {channel: push, template: nudge}}
"""
NUDGE = "---\nchannel: push\ntitle: Your cart\nactions: [{id: buy, title: Buy it}]\n---\nIt is still there.\n"
PROVIDERS = """
providers:
  firebase: {kind: fcm, channel: push, service_account: {env: SOJOURN_SECRET_FIREBASE}}
  browsers: {kind: web_push, channel: push, private_key: {env: SOJOURN_SECRET_VAPID}, subject: "mailto:a@example.com"}
routes:
  - {channel: push, use: [firebase, browsers]}
"""
ENDPOINT = "https://fcm.googleapis.com/fcm/send/1"
KEYS = {"p256dh": "B" + "x" * 86, "auth": "y" * 22}
GONE = Rejected("unregistered", "fcm: UNREGISTERED", "address")


@dataclass
class Pushes:
    """A person who has abandoned a cart, and the means to push to them."""

    harness: Harness
    gate: StepDecisions
    sender: Sender
    firebase: Provider
    browsers: Provider
    journey_id: UUID
    link: str

    async def register(self, user: str, device: str, kind: str, value: str, **more: Any) -> int:
        answer = await self.harness.http.put(
            f"/v1/users/{user}/devices/{device}",
            json={"kind": kind, "value": value, **more},
            headers={"Authorization": f"Bearer {WRITE_KEY}"},
        )
        return answer.status_code

    async def ask(self) -> Answer:
        at = now()
        return await self.gate.authorize(AuthorizeRequest(self.journey_id, "nudge", 1, 1, at, at, None, UNRECORDED))

    async def grant(self) -> UUID:
        answer = await self.ask()
        assert isinstance(answer, Granted), answer
        return UUID(answer.message_id)

    async def attempt(self, message_id: UUID) -> SendOutcome:
        return await self.sender.send(message_id, at=now(), ends_with="completed", next_positions=UNRECORDED)

    async def deliveries(self) -> dict[str, tuple[str, str | None]]:
        found = await self.harness.query("SELECT address, state, COALESCE(reason, provider_id) AS why FROM deliveries")
        return {row["address"]: (row["state"], row["why"]) for row in found}

    async def removed(self) -> dict[str, str | None]:
        found = await self.harness.query("SELECT value, removed_reason FROM device_addresses")
        return {row["value"]: row["removed_reason"] for row in found}


@pytest.fixture
async def pushes(harness: Harness) -> AsyncIterator[Pushes]:
    await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": PROVIDERS})
    await harness.run_campaign(CAMPAIGN, {"nudge.liquid": NUDGE})
    await harness.identify("u1", consent={"push": True})
    await harness.identify("u2")
    await harness.track("u1", "Cart Abandoned")
    journey = await harness.journeys.one()
    firebase, browsers = Provider("fcm", Replaces()), Provider("web_push", Replaces())
    async with Database(harness.settings.database_url.get_secret_value(), pool_size=4) as database:
        catalogue, tracker = Catalogue(), link_tracker(database)
        sender = Sender(
            database, catalogue, _Both(firebase, browsers), lambda *_: "https://example.com/u", tracker, "UTC"
        )
        gate = StepDecisions(database, catalogue, "UTC")
        yield Pushes(harness, gate, sender, firebase, browsers, journey["id"], tracker.url)


class _Both:
    """Both providers of the document, in the place of the opened ones."""

    def __init__(self, firebase: Provider, browsers: Provider) -> None:
        firebase_kinds: tuple[AddressKind, ...] = ("token", "fid")
        self._known = {
            "firebase": FoundProvider("firebase", firebase, has_account=True, serves=frozenset(firebase_kinds)),
            "browsers": FoundProvider("browsers", browsers, has_account=True, serves=frozenset({"endpoint"})),
        }

    async def find(self, connection: Connection, revision: int, channel: str, name: str | None) -> FoundProvider:
        assert name is not None
        return self._known[name]


async def test_a_person_without_a_device_is_not_reached(pushes: Pushes) -> None:
    assert await pushes.ask() == Refused("unreachable")


async def test_each_device_has_an_outcome_by_the_provider_that_serves_it(pushes: Pushes) -> None:
    assert await pushes.register("u1", "phone", "token", "t1") == 204
    assert await pushes.register("u1", "laptop", "endpoint", ENDPOINT, keys=KEYS) == 204
    message_id = await pushes.grant()
    pushes.firebase.answers, pushes.browsers.answers = [Accepted("f-1")], [Unavailable("http_503", "later")]
    assert (await pushes.attempt(message_id)).state == "sent"
    assert (pushes.firebase.addresses, pushes.browsers.addresses) == (["t1"], [ENDPOINT])
    assert await pushes.deliveries() == {"t1": ("sent", "f-1"), ENDPOINT: ("waiting", "http_503")}
    by = await pushes.harness.query("SELECT address, provider FROM deliveries")
    assert {one["address"]: one["provider"] for one in by} == {"t1": "firebase", ENDPOINT: "browsers"}
    row = await pushes.harness.messages.one()
    assert (row["state"], row["provider"], row["address"]) == ("sent", "firebase", None)
    [handed] = pushes.browsers.handed
    assert handed.device is not None
    assert (handed.device.keys, handed.message_id) == (KEYS, str(message_id))
    assert handed.report_url is not None
    assert handed.report_url.startswith("https://example.com/p/")


async def test_a_person_with_browsers_only_is_reached_by_the_second_provider(pushes: Pushes) -> None:
    await pushes.register("u1", "laptop", "endpoint", ENDPOINT, keys=KEYS)
    await pushes.grant()
    assert (await pushes.harness.messages.one())["provider"] == "browsers"


async def test_a_device_that_no_provider_serves_is_no_way_to_its_person(pushes: Pushes) -> None:
    await pushes.register("u1", "ipad", "apns", "0f" * 32)
    assert await pushes.ask() == Refused("no_provider")


async def test_a_dead_token_is_removed_and_the_others_have_the_message(pushes: Pushes) -> None:
    await pushes.register("u1", "old", "token", "t1")
    await pushes.register("u1", "new", "token", "t2")
    message_id = await pushes.grant()
    # The device seen last comes first.
    pushes.firebase.answers = [Accepted("f-2"), GONE]
    assert (await pushes.attempt(message_id)).state == "sent"
    assert await pushes.deliveries() == {"t1": ("failed", "unregistered"), "t2": ("sent", "f-2")}
    assert await pushes.removed() == {"t1": "unregistered", "t2": None}
    shown = await pushes.harness.admin("GET", "/v1/users/u1")
    assert [(one["value"], one["is_reached"]) for one in shown["push_addresses"]] == [("t2", True), ("t1", False)]


async def test_a_person_whose_devices_are_all_gone_has_no_address(pushes: Pushes) -> None:
    await pushes.register("u1", "phone", "token", "t1")
    await pushes.register("u1", "laptop", "endpoint", ENDPOINT, keys=KEYS)
    message_id = await pushes.grant()
    pushes.firebase.answers = [GONE]
    pushes.browsers.answers = [Rejected("gone", "the push service answered 410", "address")]
    assert (await pushes.attempt(message_id)).state == "failed"
    row = await pushes.harness.messages.one()
    assert (row["state"], row["reason"]) == ("failed", "no_address")
    assert await pushes.removed() == {"t1": "unregistered", ENDPOINT: "gone"}
    [failed] = await pushes.harness.query("SELECT properties FROM events WHERE name = 'Push Failed'")
    assert failed["properties"]["reason"] == "no_address"
    suppressed = await pushes.harness.query("SELECT 1 FROM profiles WHERE suppressed <> '{}'")
    assert suppressed == []


async def test_a_message_waits_while_no_device_can_have_it(pushes: Pushes) -> None:
    await pushes.register("u1", "phone", "token", "t1")
    await pushes.register("u1", "laptop", "endpoint", ENDPOINT, keys=KEYS)
    message_id = await pushes.grant()
    pushes.firebase.answers = [Rejected("invalid_argument", "fcm: INVALID_ARGUMENT")]
    pushes.browsers.answers = [Unavailable("http_503", "later")]
    with pytest.raises(UnavailableError):
        await pushes.attempt(message_id)
    assert await pushes.deliveries() == {"t1": ("failed", "invalid_argument"), ENDPOINT: ("waiting", "http_503")}
    assert (await pushes.attempt(message_id)).state == "sent"
    assert (pushes.firebase.addresses, pushes.browsers.addresses) == (["t1"], [ENDPOINT, ENDPOINT])


async def test_a_lost_answer_is_repeated_under_the_same_id(pushes: Pushes) -> None:
    await pushes.register("u1", "phone", "token", "t1")
    message_id = await pushes.grant()
    pushes.firebase.answers = [Ambiguous("ReadError")]
    with pytest.raises(UnavailableError):
        await pushes.attempt(message_id)
    assert (await pushes.attempt(message_id)).state == "sent"
    assert pushes.firebase.got == [str(message_id)] * 2


async def test_an_account_that_fails_stops_its_own_devices_only(pushes: Pushes) -> None:
    await pushes.register("u1", "laptop", "endpoint", ENDPOINT, keys=KEYS)
    await pushes.register("u1", "phone", "token", "t1")
    message_id = await pushes.grant()
    pushes.firebase.answers = [Unavailable(ACCOUNT, "google: invalid_grant")]
    assert (await pushes.attempt(message_id)).state == "sent"
    broken = await pushes.harness.query("SELECT provider FROM provider_circuits WHERE opened_at IS NOT NULL")
    assert [row["provider"] for row in broken] == ["firebase"]
    # The next message goes by the other provider, and asks nothing of the broken one.
    await pushes.harness.track("u2", "Cart Abandoned")
    await pushes.harness.identify("u2", consent={"push": True})
    await pushes.register("u2", "phone", "token", "t2")
    await pushes.register("u2", "laptop", "endpoint", f"{ENDPOINT}2", keys=KEYS)
    [journey] = await pushes.harness.query(
        "SELECT journeys.id FROM journeys JOIN profiles ON profiles.id = profile_id WHERE user_id = 'u2'"
    )
    pushes.journey_id = journey["id"]
    assert (await pushes.attempt(await pushes.grant())).state == "sent"
    assert pushes.firebase.addresses == ["t1"]
    assert (await pushes.deliveries())["t2"] == ("waiting", "circuit_open")


async def test_a_message_that_no_other_provider_can_take_waits_for_its_own(pushes: Pushes) -> None:
    """The gate would grant it the same provider again, and so on until that is back."""
    await pushes.register("u1", "phone", "token", "t1")
    message_id = await pushes.grant()
    pushes.firebase.answers = [Unavailable(ACCOUNT, "google: invalid_grant")]
    for _ in range(2):
        with pytest.raises(UnavailableError):
            await pushes.attempt(message_id)
    assert pushes.firebase.addresses == ["t1"]
    assert (await pushes.harness.messages.one())["state"] == "reserved"


async def test_a_token_that_comes_with_another_user_leaves_the_first(pushes: Pushes) -> None:
    """Else the next user of a phone would read the messages of the one before."""
    await pushes.register("u1", "phone", "token", "t1")
    message_id = await pushes.grant()
    await pushes.register("u2", "phone", "token", "t1")
    assert (await pushes.attempt(message_id)).state == "cancelled"
    assert pushes.firebase.got == []
    assert (await pushes.harness.messages.one())["reason"] == "unreachable"


async def test_nothing_is_handed_over_to_a_device_after_its_user_has_logged_out(pushes: Pushes) -> None:
    await pushes.register("u1", "phone", "token", "t1")
    message_id = await pushes.grant()
    answer = await pushes.harness.http.delete(
        "/v1/users/u1/devices/phone", headers={"Authorization": f"Bearer {WRITE_KEY}"}
    )
    assert answer.status_code == 204
    assert (await pushes.attempt(message_id)).state == "cancelled"
    assert pushes.firebase.got == []


async def test_devices_report_each_kind_once(pushes: Pushes) -> None:
    await pushes.register("u1", "phone", "token", "t1")
    message_id = await pushes.grant()
    await pushes.attempt(message_id)
    [handed] = pushes.firebase.handed
    assert handed.report_url is not None
    # As the deployment signs it: the tracker of these tests has a secret of its own.
    url = f"/p/{sign(pushes.harness.settings.link_secrets, TrackedLink(message_id, REPORT))}"
    for kind in ("delivered", "opened", "opened?action=buy", "dismissed"):
        assert (await pushes.harness.http.post(f"{url}/{kind}")).status_code == 204
    row = await pushes.harness.messages.one()
    assert all(row[f"{kind}_at"] is not None for kind in ("delivered", "opened", "dismissed"))
    named = await pushes.harness.query(
        "SELECT name, properties ->> 'action' AS action FROM events WHERE source = 'sojourn' ORDER BY name"
    )
    assert [(one["name"], one["action"]) for one in named] == [("Push Dismissed", None), ("Push Opened", None)]
    [sent] = [item for item in await pushes.harness.timeline("u1") if item["kind"] == "message"]
    assert sent["data"]["reports"] == ["delivered", "opened", "dismissed"]
    for wrong in (
        f"{url}x/opened",
        "/p/nothing/opened",
        handed.report_url.replace("https://example.com", "") + "/opened",
    ):
        assert (await pushes.harness.http.post(wrong)).status_code == 404
    assert (await pushes.harness.http.post(f"{url}/clicked")).status_code == 400


async def test_an_app_registers_its_device_with_what_it_tracks(pushes: Pushes) -> None:
    """The worker learns of it from the stream."""
    context = {"device": {"id": "d1", "type": "android", "token": "t1"}}
    # Its clock is ahead, which lets a server's later word be the later one all the same.
    ahead = (now() + timedelta(minutes=50)).isoformat()
    await pushes.harness.track("u1", "Product Viewed", context=context, timestamp=ahead)
    await pushes.harness.until("SELECT 1 FROM device_addresses WHERE value = 't1' AND removed_at IS NULL")
    await pushes.grant()
    gone = {"Authorization": f"Bearer {WRITE_KEY}"}
    assert (await pushes.harness.http.delete("/v1/users/u1/devices/d1", headers=gone)).status_code == 204
    assert await pushes.register("u1", "d1", "token", "t1") == 204
    assert await pushes.removed() == {"t1": None}
    await pushes.harness.track("u1", "Application Uninstalled", context=context)
    await pushes.harness.until("SELECT 1 FROM device_addresses WHERE removed_reason = 'Application Uninstalled'")
    assert await pushes.harness.query("SELECT 1 FROM device_addresses WHERE removed_at IS NULL") == []


async def test_an_anonymous_page_takes_no_endpoint_from_its_owner(pushes: Pushes) -> None:
    await pushes.register("u1", "laptop", "endpoint", ENDPOINT, keys=KEYS)
    page = "https://shop.example.com"
    key = await pushes.harness.admin("POST", "/v1/keys", {"name": "shop", "kind": "browser", "origins": [page]})
    subscription = {"endpoint": ENDPOINT, "keys": KEYS}
    call = {
        "anonymousId": "a-1",
        "name": "Home",
        "context": {"page": {"path": "/"}, "device": {"id": "laptop", "subscription": subscription}},
    }
    answer = await pushes.harness.http.post(
        "/v1/page", json=call, headers={"Origin": page, "X-Write-Key": key["token"]}
    )
    assert answer.status_code == 200
    # The consumer has learned of the call.
    await pushes.harness.until("SELECT 1 FROM devices JOIN profiles ON profiles.id = profile_id WHERE user_id IS NULL")
    [known] = await pushes.harness.query(
        "SELECT user_id, value FROM device_addresses JOIN profiles ON profiles.id = profile_id"
    )
    assert known == {"user_id": "u1", "value": ENDPOINT}
