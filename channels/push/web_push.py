"""Web push (RFC 8030), with VAPID (RFC 8292) and encryption (RFC 8291).

The endpoint of a subscription comes from a browser, so only hosts of push services are called.
"""

import binascii
import os
import ssl
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

import http_ece
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from channels.guarded_transport import BlockedAddressError, GuardedTransport, InvalidHostError
from channels.http_call import TOTAL_SECONDS, UNUSABLE_URL, HttpCalls, HttpReply
from channels.provider_kind import ProviderContext, ProviderKind
from channels.push.content import find_collapse_id, find_topic, find_ttl, list_values, write_json
from channels.resolver import Resolver
from channels.tls import public_authorities
from domain.people.device_addresses import DeviceAddress
from domain.sending.delivery import Accepted, Delivery, Outbound, Rejected, Replaces, Unavailable
from domain.sending.outbound_secrets import SecretRefusal
from domain.sending.providers.web_push import WebPushModel

# Chrome and others, Firefox, Safari, Edge; a leading dot stands for any host below.
SERVICES: Final = ("fcm.googleapis.com", ".push.services.mozilla.com", ".push.apple.com", ".notify.windows.com")
# RFC 8291, 4: one record of 4,096 bytes, with a header of 86 and 17 around the text.
MAX_PAYLOAD_BYTES: Final = 3_993
# RFC 8292 allows a day.
TOKEN_LIFE: Final = timedelta(hours=12)
RETRY_SECONDS: Final = 300.0
# A page may name any host below that of a service.
MAX_TOKENS: Final = 200

_GONE: Final = frozenset({404, 410})


class VapidKey:
    """The key by which a push service knows the sender.

    A token is signed for each push service, and used for half of its life. The latest ones are kept.
    """

    def __init__(self, key: EllipticCurvePrivateKey, subject: str) -> None:
        self._key = key
        self._subject = subject
        self._tokens: dict[str, tuple[datetime, str]] = {}
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public = urlsafe_b64encode(point).decode().rstrip("=")

    def authorize(self, origin: str, now: datetime) -> str:
        """Return the Authorization header for an origin."""
        known = self._tokens.get(origin)
        if known is None or now > known[0] - TOKEN_LIFE / 2:
            if known is None and len(self._tokens) >= MAX_TOKENS:
                del self._tokens[next(iter(self._tokens))]
            ends_at = now + TOKEN_LIFE
            claims = {"aud": origin, "exp": int(ends_at.timestamp()), "sub": self._subject}
            known = self._tokens[origin] = ends_at, jwt.encode(claims, self._key, "ES256")
        return f"vapid t={known[1]}, k={self.public}"


def read_vapid_key(text: str) -> EllipticCurvePrivateKey:
    """Read a private key, 32 bytes in base64 for URLs. Raises ValueError."""
    try:
        raw = urlsafe_b64decode(text.strip() + "=" * (-len(text.strip()) % 4))
    except binascii.Error as error:
        raise ValueError("a VAPID key is base64 for URLs") from error
    if len(raw) != 32:
        raise ValueError("a VAPID key has 32 bytes")
    return derive_private_key(int.from_bytes(raw, "big"), SECP256R1())


class WebPush:
    """Sends notifications to the subscriptions of browsers.

    `services` are hosts of push services besides the known ones. `resolver` resolves their names.
    """

    name = "web_push"
    repeats = Replaces()

    def __init__(
        self,
        key: VapidKey,
        services: Sequence[str] = (),
        *,
        allow_private_addresses: bool = False,
        tls_context: ssl.SSLContext | None = None,
        seconds: float = TOTAL_SECONDS,
        resolver: Resolver | None = None,
    ) -> None:
        self._key = key
        self._services = (*SERVICES, *services)
        self._allow_private_addresses = allow_private_addresses
        self._tls_context = tls_context or public_authorities()
        self._seconds = seconds
        self._resolver = resolver or Resolver()
        # Each push service has its own pace and its own failures.
        self._calls: dict[str, HttpCalls] = {}

    def account(self, message: Outbound) -> str:
        return "none" if message.device is None else self._find_service(message.device.value) or "unknown"

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Encrypt the notification for the browser, and post it."""
        device = message.device
        service = self._find_service(address)
        if device is None or device.keys is None or service is None:
            return Rejected("invalid_address", "the endpoint is not that of a known push service", "address")
        payload = write_json(build_payload(message))
        if len(payload) > MAX_PAYLOAD_BYTES:
            return Rejected("invalid_message", f"the notification has {len(payload)} bytes of {MAX_PAYLOAD_BYTES}")
        try:
            body = encrypt(payload, device)
        except ValueError:
            return Rejected("invalid_address", "the keys of the subscription are not valid", "address")
        try:
            return await self._open(service).post(
                address, content=body, headers=self._headers(message, address), read=read_reply
            )
        except (BlockedAddressError, InvalidHostError) as error:
            return Unavailable(UNUSABLE_URL, type(error).__name__)

    async def check(self) -> Unavailable | None:
        """Return None: push services have no account that could be asked."""
        return None

    async def close(self) -> None:
        """Close the connections."""
        for calls in self._calls.values():
            await calls.close()

    def _find_service(self, endpoint: str) -> str | None:
        """Return the push service of an endpoint; None if it is none."""
        try:
            split = urlsplit(endpoint)
            host, _ = (split.hostname or "").lower(), split.port
        except ValueError:
            return None
        if split.scheme != "https" or split.username is not None:
            return None
        return next((one for one in self._services if host == one or (one[0] == "." and host.endswith(one))), None)

    def _open(self, service: str) -> HttpCalls:
        if service not in self._calls:
            transport = GuardedTransport(
                self._resolver,
                allow_private_addresses=self._allow_private_addresses,
                tls_context=self._tls_context,
            )
            self._calls[service] = HttpCalls(service, seconds=self._seconds, transport=transport)
        return self._calls[service]

    def _headers(self, message: Outbound, endpoint: str) -> Mapping[str, str]:
        split = urlsplit(endpoint)
        return {
            "Authorization": self._key.authorize(f"{split.scheme}://{split.netloc}", datetime.now(UTC)),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(find_ttl(message)),
            "Urgency": str(message.content.get("urgency", "normal")),
            "Topic": find_topic(message),
        }


def build_payload(message: Outbound) -> dict[str, object]:
    """Return what the service worker shows (`api/scripts/sojourn-sw.js`)."""
    shown = {key: message.content[key] for key in ("title", "body", "badge") if key in message.content}
    return {**shown, "tag": find_collapse_id(message), **list_values(message)}


def encrypt(payload: bytes, device: DeviceAddress) -> bytes:
    """Encrypt a payload for a subscription, by a key of its own. Raises ValueError."""
    keys = device.keys or {}
    try:
        return bytes(
            http_ece.encrypt(
                payload,
                salt=os.urandom(16),
                private_key=generate_private_key(SECP256R1()),
                dh=_decode(keys["p256dh"]),
                auth_secret=_decode(keys["auth"]),
                version="aes128gcm",
            )
        )
    except (KeyError, binascii.Error, http_ece.ECEException) as error:
        raise ValueError("the keys of the subscription are not valid") from error


def read_reply(reply: HttpReply) -> Delivery | None:
    """Read the reply of a push service."""
    said = f"the push service answered {reply.status}"
    if reply.status in _GONE:
        return Rejected("gone", said, "address")
    if reply.status in (401, 403):
        # The subscription may be of another key: it says nothing about the others.
        return Unavailable("vapid_refused", f"{said}: the subscription is of another VAPID key", RETRY_SECONDS)
    if reply.status in range(200, 300):
        return Accepted(None)
    return None


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def open_web_push(settings: WebPushModel, context: ProviderContext) -> WebPush:
    """Open the provider; no connection is made yet."""
    try:
        key = read_vapid_key(context.secrets.for_own_use(settings.private_key))
    except ValueError as error:
        raise SecretRefusal("secret_malformed", f"the secret {settings.private_key} is not a key: {error}") from error
    return WebPush(
        VapidKey(key, settings.subject),
        settings.services,
        allow_private_addresses=context.allow_private_addresses,
    )


KIND = ProviderKind(WebPushModel, open_web_push)
