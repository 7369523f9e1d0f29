"""Notifications for the tests to send, and the devices that they go to."""

from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import http_ece
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from domain.people.device_addresses import DeviceAddress
from domain.sending.delivery import Outbound
from tests.channels.messages import AT, MAIL

REPORT_URL = "https://journeys.example.com/p/C5w6UmoOW26dVzovb29vYP0q6W2oV1Dgwa"
PUSH = replace(
    MAIL,
    content={"title": "Grüße, Ana", "body": "Your cart waits.", "urgency": "normal"},
    unsubscribe_url=None,
    expires_at=AT + timedelta(hours=6),
    report_url=REPORT_URL,
)
FULL: dict[str, Any] = {
    "title": "Grüße, Ana",
    "body": "Your cart waits.",
    "url": "https://shop.example.com/cart",
    "image": "https://img.example.com/c.png",
    "actions": [{"id": "buy", "title": "Buy it", "url": "https://shop.example.com/buy"}],
    "data": {"cart": "c-9"},
    "badge": 3,
    "sound": "default",
    "urgency": "high",
    "collapse": "cart c-9",
}


def device(value: str, **fields: Any) -> DeviceAddress:
    return DeviceAddress(**{"value": value, "kind": "token", "seen_at": AT, **fields})


def push_to(address: DeviceAddress, **content: Any) -> Outbound:
    return replace(PUSH, content={**PUSH.content, **content}, device=address)


@dataclass(frozen=True)
class Browser:
    """A browser with its keys, which decrypts what is pushed to it."""

    key: EllipticCurvePrivateKey
    auth: bytes

    @classmethod
    def make(cls) -> "Browser":
        return cls(generate_private_key(SECP256R1()), bytes(range(16)))

    def subscribe(self, endpoint: str) -> DeviceAddress:
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        keys = {"p256dh": _base64(point), "auth": _base64(self.auth)}
        return device(endpoint, kind="endpoint", keys=keys)

    def decrypt(self, body: bytes) -> bytes:
        return bytes(http_ece.decrypt(body, private_key=self.key, auth_secret=self.auth, version="aes128gcm"))


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
