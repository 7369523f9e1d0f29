"""Web push: what a push service is sent, what only the browser reads, and what comes of each answer."""

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import http_ece
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, derive_private_key

from channels.provider_kind import ProviderContext
from channels.push.content import write_json
from channels.push.web_push import (
    MAX_PAYLOAD_BYTES,
    MAX_TOKENS,
    VapidKey,
    WebPush,
    build_payload,
    open_web_push,
    read_vapid_key,
)
from domain.sending.circuit import read_health
from domain.sending.delivery import Accepted, Ambiguous, Delivery, Rejected, Unavailable
from domain.sending.outbound_secrets import BoundSecret, SecretRefusal
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.web_push import WebPushModel
from tests.channels.messages import MAIL
from tests.channels.pushes import FULL, PUSH, REPORT_URL, Browser, device, push_to
from tests.channels.servers import HANG_UP, TIME_OUT, Receiver, answer, listening, server_tls, trusting_tls

KEY = derive_private_key(7, SECP256R1())
# No test waits for so long, however busy the machine is.
PATIENCE = 60.0


def web_push() -> WebPush:
    return WebPush(
        VapidKey(KEY, "mailto:push@example.com"),
        ["localhost"],
        allow_private_addresses=True,
        tls_context=trusting_tls(),
        seconds=PATIENCE,
    )


async def deliver(reply: bytes | str = answer(201), **content: Any) -> tuple[Delivery, Receiver, Browser]:
    browser, receiver = Browser.make(), Receiver(reply)
    async with listening(receiver.talk, server_tls()) as port:
        subscription = browser.subscribe(f"https://localhost:{port}/push/abc")
        provider = web_push()
        delivery = await provider.deliver(push_to(subscription, **content), subscription.value)
        await provider.close()
    return delivery, receiver, browser


async def test_the_browser_reads_the_notification_and_nobody_else() -> None:
    delivery, receiver, browser = await deliver(**FULL)
    assert delivery == Accepted(None)
    [request] = receiver.requests
    assert request.line == "POST /push/abc HTTP/1.1"
    assert b"cart" not in request.body
    collapse = sha256(b"cart c-9").hexdigest()[:32]
    headers = {name: request.headers[name] for name in ("content-encoding", "ttl", "urgency", "topic")}
    assert headers == {"content-encoding": "aes128gcm", "ttl": "21600", "urgency": "high", "topic": collapse}
    assert json.loads(browser.decrypt(request.body)) == {
        "title": "Grüße, Ana",
        "body": "Your cart waits.",
        "badge": 3,
        "tag": "cart c-9",
        "cart": "c-9",
        "message_id": MAIL.message_id,
        "report_url": REPORT_URL,
        "url": "https://shop.example.com/cart",
        "image": "https://img.example.com/c.png",
        "actions": [{"id": "buy", "title": "Buy it", "url": "https://shop.example.com/buy"}],
    }
    with pytest.raises(http_ece.ECEException):
        Browser.make().decrypt(request.body)


async def test_the_sender_is_known_by_its_key() -> None:
    _, receiver, _ = await deliver()
    [request] = receiver.requests
    scheme, _, rest = request.headers["authorization"].partition(" ")
    token, key = (part.strip().partition("=")[2] for part in rest.split(","))
    assert scheme == "vapid"
    point = urlsafe_b64decode(key + "=" * (-len(key) % 4))
    public = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point)
    origin = "https://" + request.headers["host"]
    claims = jwt.decode(token, public, ["ES256"], audience=origin)
    assert claims["sub"] == "mailto:push@example.com"
    assert timedelta(hours=6) < datetime.fromtimestamp(claims["exp"], UTC) - datetime.now(UTC) <= timedelta(hours=12)


async def test_a_repeated_message_has_the_topic_that_replaces_it() -> None:
    _, receiver, browser = await deliver()
    [request] = receiver.requests
    assert request.headers["topic"] == MAIL.message_id.replace("-", "")
    assert json.loads(browser.decrypt(request.body))["tag"] == MAIL.message_id


def test_a_token_is_signed_once_for_a_push_service() -> None:
    key, now = VapidKey(KEY, "mailto:push@example.com"), datetime.now(UTC)
    first = key.authorize("https://a.example.com", now)
    assert key.authorize("https://a.example.com", now + timedelta(hours=5)) == first
    assert key.authorize("https://a.example.com", now + timedelta(hours=7)) != first
    assert key.authorize("https://b.example.com", now) != first


def test_hosts_that_pages_invent_take_no_room() -> None:
    key, now = VapidKey(KEY, "mailto:push@example.com"), datetime.now(UTC)
    first = key.authorize("https://0.push.apple.com", now)
    for number in range(1, MAX_TOKENS):
        key.authorize(f"https://{number}.push.apple.com", now)
    assert key.authorize("https://0.push.apple.com", now) == first
    for number in range(MAX_TOKENS):
        key.authorize(f"https://{number}.notify.windows.com", now)
    # It was dropped: each signature is drawn anew.
    assert key.authorize("https://0.push.apple.com", now) != first


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (answer(201), Accepted(None)),
        (answer(404), Rejected("gone", "the push service answered 404", "address")),
        (answer(410), Rejected("gone", "the push service answered 410", "address")),
        (answer(413), Rejected("http_413", "the provider answered 413")),
        (answer(400), Rejected("http_400", "the provider answered 400")),
        (answer(429, Retry_After="7"), Unavailable("http_429", "the provider answered 429", 7.0)),
        (answer(503), Unavailable("http_503", "the provider answered 503")),
        (answer(500), Ambiguous("the provider answered 500")),
        (HANG_UP, Ambiguous("RemoteProtocolError")),
        (TIME_OUT, Ambiguous("timed out")),
    ],
)
async def test_each_answer_is_one_delivery(reply: bytes | str, expected: Delivery) -> None:
    assert (await deliver(reply))[0] == expected


@pytest.mark.parametrize("status", [401, 403])
async def test_a_subscription_of_another_key_stops_no_other(status: int) -> None:
    """A page may send us any subscription, also one that our key does not open."""
    delivery, _, _ = await deliver(answer(status))
    assert isinstance(delivery, Unavailable)
    assert delivery.reason == "vapid_refused"


@pytest.mark.parametrize(
    ("endpoint", "error"), [("https://nowhere.invalid/1", "UnknownHostError"), ("https://localhost/\x7f", "InvalidURL")]
)
async def test_an_endpoint_that_cannot_be_called_stops_no_other(endpoint: str, error: str) -> None:
    provider = WebPush(VapidKey(KEY, "mailto:push@example.com"), ["localhost", "nowhere.invalid"], seconds=PATIENCE)
    delivery = await provider.deliver(push_to(Browser.make().subscribe(endpoint)), endpoint)
    assert delivery == Unavailable("unusable_url", error)
    assert read_health(delivery) is None


async def test_no_one_there_is_unavailable(refused_port: int) -> None:
    subscription = Browser.make().subscribe(f"https://localhost:{refused_port}/push/abc")
    delivery = await web_push().deliver(push_to(subscription), subscription.value)
    assert delivery == Unavailable("connection", "ConnectError")


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://internal.example.com/push",
        "http://localhost/push",
        "https://fcm.googleapis.com.example.com/push",
        "https://user@fcm.googleapis.com/push",
        "https://evilpush.services.mozilla.com.example.com/x",
        "https://push.services.mozilla.com@example.com/x",
        "https://[::1]/push",
        "https://xfcm.googleapis.com/push",
        "https://fcm.googleapis.com:port/push",
        "https://fcm.googleapis.com:99999/push",
        "not a URL",
    ],
)
async def test_only_push_services_are_called(endpoint: str) -> None:
    subscription = Browser.make().subscribe(endpoint)
    delivery = await web_push().deliver(push_to(subscription), endpoint)
    assert delivery == Rejected("invalid_address", "the endpoint is not that of a known push service", "address")


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/abc",
        "https://updates.push.services.mozilla.com/wpush/v2/abc",
        "https://web.push.apple.com/abc",
        "https://wns2-par02p.notify.windows.com/w/?token=abc",
    ],
)
def test_the_push_services_of_browsers_are_known(endpoint: str) -> None:
    message = push_to(Browser.make().subscribe(endpoint))
    assert web_push().account(message) not in ("none", "unknown")


async def test_a_push_service_that_resolves_to_a_private_address_is_not_called() -> None:
    provider = WebPush(VapidKey(KEY, "mailto:push@example.com"), ["localhost"], seconds=PATIENCE)
    subscription = Browser.make().subscribe("https://localhost:1/push/abc")
    delivery = await provider.deliver(push_to(subscription), subscription.value)
    assert delivery == Unavailable("unusable_url", "BlockedAddressError")


async def test_a_notification_beyond_one_record_is_refused() -> None:
    delivery, receiver, _ = await deliver(body="x" * MAX_PAYLOAD_BYTES)
    assert isinstance(delivery, Rejected)
    assert delivery.scope == "message"
    assert receiver.requests == []


async def test_a_notification_of_the_largest_size_has_4096_bytes() -> None:
    least = write_json(build_payload(push_to(device("x"), body="")))
    delivery, receiver, browser = await deliver(body="x" * (MAX_PAYLOAD_BYTES - len(least)))
    assert delivery == Accepted(None)
    assert len(receiver.requests[0].body) == 4_096
    assert len(browser.decrypt(receiver.requests[0].body)) == MAX_PAYLOAD_BYTES


@pytest.mark.parametrize("keys", [None, {}, {"p256dh": "B" + "x" * 86, "auth": "y" * 22}])
async def test_keys_that_open_nothing_remove_the_device(keys: dict[str, str] | None) -> None:
    address = device("https://localhost:1/push", kind="endpoint", keys=keys)
    delivery = await web_push().deliver(replace(PUSH, device=address), address.value)
    assert isinstance(delivery, Rejected)
    assert (delivery.reason, delivery.scope) == ("invalid_address", "address")


async def test_many_go_at_once_and_a_cancelled_one_is_no_outcome() -> None:
    browser, receiver = Browser.make(), Receiver(answer(201))
    async with listening(receiver.talk, server_tls()) as port:
        subscription = browser.subscribe(f"https://localhost:{port}/push/abc")
        provider = web_push()
        wanted = (provider.deliver(push_to(subscription), subscription.value) for _ in range(10))
        assert await asyncio.gather(*wanted) == [Accepted(None)] * 10
        receiver.reply = TIME_OUT
        task = asyncio.create_task(provider.deliver(push_to(subscription), subscription.value))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await provider.check() is None


def test_the_example_of_the_standard_is_decrypted() -> None:
    """RFC 8291, 5: the library that encrypts reads what another has written."""
    body = decode(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
        "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    key = derive_private_key(int.from_bytes(decode("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), "big"), SECP256R1())
    text = http_ece.decrypt(body, private_key=key, auth_secret=decode("BTBZMqHH6r4Tts7J_aSIgg"), version="aes128gcm")
    assert text == b"When I grow up, I want to be a watermelon"


def decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


SETTINGS = WebPushModel.model_validate(
    {
        "kind": "web_push",
        "channel": "push",
        "private_key": {"env": "SOJOURN_SECRET_VAPID"},
        "subject": "mailto:push@example.com",
    }
)


def context(secret: str) -> ProviderContext:
    return ProviderContext(ProviderSecrets([BoundSecret(secret, (), "SOJOURN_SECRET_VAPID")]))


def test_the_key_is_a_secret_of_the_deployment() -> None:
    raw = KEY.private_numbers().private_value.to_bytes(32, "big")
    opened = open_web_push(SETTINGS, context(urlsafe_b64encode(raw).decode()))
    assert read_vapid_key(urlsafe_b64encode(raw).decode()).public_key() == KEY.public_key()
    assert (opened.name, opened.account(PUSH)) == ("web_push", "none")
    for wrong in ("short", "ä" * 43, "x" * 60):
        with pytest.raises(SecretRefusal) as refused:
            open_web_push(SETTINGS, context(wrong))
        assert wrong not in str(refused.value)
