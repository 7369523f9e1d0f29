"""Apple's push service: what it is sent over HTTP/2, and what comes of each answer and of closed connections."""

import asyncio
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key

from channels.push.apns import Apns, ApnsToken
from domain.sending.delivery import ACCOUNT, Accepted, Ambiguous, Delivery, Rejected, Unavailable
from tests.channels.http2_server import PushRequest, PushService, Reply
from tests.channels.messages import AT, MAIL
from tests.channels.pushes import FULL, PUSH, REPORT_URL, device, push_to
from tests.channels.servers import trusting_tls
from tests.proofs import rounds

KEY = derive_private_key(7, SECP256R1())
TOKEN = "0f" * 32
# No test waits for so long, however busy the machine is.
PATIENCE = 60.0


def apns(production: int, sandbox: int | None = None) -> Apns:
    hosts: Any = {"production": f"https://localhost:{production}"}
    if sandbox is not None:
        hosts["sandbox"] = f"https://localhost:{sandbox}"
    token = ApnsToken(KEY, "F6G7H8J9K0", "A1B2C3D4E5")
    topics = ["com.example.shop", "com.example.courier"]
    return Apns(token, topics, hosts, tls_context=trusting_tls(), seconds=PATIENCE)


async def deliver(reply: Reply = (200, None), **fields: Any) -> tuple[Delivery, list[PushRequest]]:
    service = PushService(lambda _: reply)
    address = device(TOKEN, **{"kind": "apns", **fields})
    async with service.serve() as port:
        provider = apns(port)
        delivery = await provider.deliver(push_to(address, **FULL), TOKEN)
        await provider.close()
    return delivery, service.requests


async def test_a_notification_is_requested_as_apple_wants_it() -> None:
    delivery, [request] = await deliver(app="com.example.courier")
    assert delivery == Accepted(MAIL.message_id)
    assert request.path == f"/3/device/{TOKEN}"
    wanted = {
        "apns-topic": "com.example.courier",
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-expiration": str(int((AT + timedelta(hours=6)).timestamp())),
        "apns-collapse-id": "cart c-9",
        "apns-id": MAIL.message_id,
    }
    assert {name: request.headers[name] for name in wanted} == wanted
    assert request.payload == {
        "aps": {
            "alert": {"title": "Grüße, Ana", "body": "Your cart waits."},
            "badge": 3,
            "sound": "default",
            "mutable-content": 1,
        },
        "cart": "c-9",
        "message_id": MAIL.message_id,
        "report_url": REPORT_URL,
        "url": "https://shop.example.com/cart",
        "image": "https://img.example.com/c.png",
        "actions": FULL["actions"],
    }


@pytest.mark.parametrize("collapse", ["Warenkorb für Ana", "c" * 65])
async def test_a_collapse_id_that_no_header_takes_is_hashed(collapse: str) -> None:
    service = PushService(lambda _: (200, None))
    async with service.serve() as port:
        provider = apns(port)
        delivery = await provider.deliver(push_to(device(TOKEN, kind="apns"), collapse=collapse), TOKEN)
        await provider.close()
    assert delivery == Accepted(MAIL.message_id)
    [request] = service.requests
    assert request.headers["apns-collapse-id"] == sha256(collapse.encode()).hexdigest()


async def test_an_app_that_is_not_ours_gets_the_first_topic() -> None:
    _, [request] = await deliver(app="com.example.other")
    assert request.headers["apns-topic"] == "com.example.shop"


def test_a_token_is_the_same_in_all_processes_for_half_an_hour() -> None:
    start = datetime(2026, 12, 1, 12, tzinfo=UTC)
    one, other = (ApnsToken(KEY, "F6G7H8J9K0", "A1B2C3D4E5") for _ in range(2))
    token = one.find(start)
    assert token == other.find(start + timedelta(minutes=29))
    assert token != one.find(start + timedelta(minutes=30))
    claims = jwt.decode(token, KEY.public_key(), ["ES256"], options={"verify_iat": False})
    assert claims == {"iss": "A1B2C3D4E5", "iat": int(start.timestamp())}
    assert jwt.get_unverified_header(token)["kid"] == "F6G7H8J9K0"


def gone(reason: str) -> Rejected:
    return replace(refused(reason), scope="address")


def refused(reason: str) -> Rejected:
    words = re.findall("[A-Z][a-z]+", reason)
    return Rejected("_".join(words).lower(), f"apns: {reason}")


LATER, EARLIER = (int((AT + timedelta(hours=hours)).timestamp() * 1_000) for hours in (1, -1))


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (
            410,
            {"reason": "Unregistered", "timestamp": LATER},
            Rejected("unregistered", "apns: Unregistered", "address"),
        ),
        (410, {"reason": "Unregistered", "timestamp": EARLIER}, Rejected("unregistered", "apns: Unregistered")),
        (
            410,
            {"reason": "ExpiredToken", "timestamp": LATER},
            Rejected("expired_token", "apns: ExpiredToken", "address"),
        ),
        (400, {"reason": "BadDeviceToken"}, gone("BadDeviceToken")),
        (
            400,
            {"reason": "DeviceTokenNotForTopic"},
            Rejected("device_token_not_for_topic", "apns: DeviceTokenNotForTopic"),
        ),
        (400, {"reason": "TopicDisallowed"}, Unavailable(ACCOUNT, "apns: TopicDisallowed", 300.0)),
        (403, {"reason": "InvalidProviderToken"}, Unavailable(ACCOUNT, "apns: InvalidProviderToken", 300.0)),
        (403, {"reason": "BadEnvironmentKeyInToken"}, Unavailable(ACCOUNT, "apns: BadEnvironmentKeyInToken", 300.0)),
        (413, {"reason": "PayloadTooLarge"}, Rejected("payload_too_large", "apns: PayloadTooLarge")),
        (429, {"reason": "TooManyRequests"}, Unavailable("http_429", "apns: TooManyRequests")),
        (503, {"reason": "Shutdown"}, Unavailable("http_503", "the provider answered 503")),
        (500, {"reason": "InternalServerError"}, Ambiguous("the provider answered 500")),
        (400, {"reason": "quoted text " * 9}, Rejected("http_400", "the provider answered 400")),
    ],
)
async def test_each_answer_is_one_delivery(status: int, body: dict[str, Any], expected: Delivery) -> None:
    assert (await deliver((status, body)))[0] == expected


async def test_a_token_of_an_unknown_environment_is_tried_in_both() -> None:
    production = PushService(lambda _: (400, {"reason": "BadDeviceToken"}))
    sandbox = PushService()
    async with production.serve() as one, sandbox.serve() as other:
        provider = apns(one, other)
        known = device(TOKEN, kind="apns", environment="production")
        assert await provider.deliver(push_to(device(TOKEN, kind="apns")), TOKEN) == Accepted(MAIL.message_id)
        refused = await provider.deliver(push_to(known), TOKEN)
        await provider.close()
    assert isinstance(refused, Rejected)
    assert (len(production.requests), len(sandbox.requests)) == (2, 1)


async def test_a_key_of_one_environment_says_all_about_a_token() -> None:
    """Else each token that is gone would stop the account."""
    production = PushService(lambda _: (400, {"reason": "BadDeviceToken"}))
    sandbox = PushService(lambda _: (403, {"reason": "BadEnvironmentKeyInToken"}))
    async with production.serve() as one, sandbox.serve() as other:
        provider = apns(one, other)
        delivery = await provider.deliver(push_to(device(TOKEN, kind="apns")), TOKEN)
        await provider.close()
    assert delivery == gone("BadDeviceToken")
    assert len(sandbox.requests) == 1


async def test_no_one_there_is_unavailable(refused_port: int) -> None:
    delivery = await apns(refused_port).deliver(push_to(device(TOKEN, kind="apns")), TOKEN)
    assert delivery == Unavailable("connection", "ConnectError")


@pytest.mark.prove
async def test_no_push_is_lost_when_the_service_goes_away() -> None:
    """As senders do, a lost answer is tried again: under the id that replaces the first."""
    service = PushService(goes_away_after=90)
    wanted = [str(uuid4()) for _ in range(rounds(300, 2_000))]
    lost: Counter[str] = Counter()
    async with service.serve() as port:
        provider, turns = apns(port), asyncio.Semaphore(40)

        async def push(message_id: str) -> None:
            message = replace(PUSH, message_id=message_id, device=device(TOKEN, kind="apns"))
            async with turns:
                while not isinstance(delivery := await provider.deliver(message, TOKEN), Accepted):
                    assert isinstance(delivery, Ambiguous | Unavailable), delivery
                    lost[message_id] += isinstance(delivery, Ambiguous)
                    # Meanwhile the adapter asks the service for a few at a time.
                    await asyncio.sleep(0.01)

        await asyncio.gather(*(push(one) for one in wanted))
        await provider.close()
    assert service.connections > 2
    taken = Counter(request.headers["apns-collapse-id"] for request in service.requests)
    assert taken.keys() == set(wanted)
    assert all(number <= 1 + lost[one] for one, number in taken.items())
