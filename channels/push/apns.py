"""Push by Apple's push service, over HTTP/2.

https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns. No account was called
yet: the requests follow the published pages.
"""

import asyncio
import json
import re
import ssl
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from channels.http_call import TOTAL_SECONDS, HttpCalls, HttpReply, share_time
from channels.provider_kind import ProviderContext, ProviderKind
from channels.push.content import find_collapse_id, find_ttl, is_pressing, list_values, write_json
from channels.report_fields import read_epoch_milliseconds
from channels.retry_after import MAX_RETRY_AFTER
from domain.people.device_addresses import ApnsEnvironment, DeviceAddress
from domain.sending.delivery import ACCOUNT, Accepted, Delivery, Outbound, Rejected, Replaces, Unavailable
from domain.sending.outbound_secrets import SecretRefusal
from domain.sending.providers.apns import ApnsModel

HOSTS: Final[dict[ApnsEnvironment, str]] = {
    "production": "https://api.push.apple.com",
    "sandbox": "https://api.sandbox.push.apple.com",
}
MAX_PAYLOAD_BYTES: Final = 4_096
# Apple takes a token for an hour, and refuses a team that makes several within 20 minutes.
TOKEN_SECONDS: Final = 30 * 60
# Below the number of streams that Apple allows on a connection: httpx fails those beyond it.
MAX_STREAMS: Final = 90
# A device that has no token any more; all other refusals leave its address.
_GONE: Final = frozenset({"Unregistered", "ExpiredToken"})
_BAD: Final = "BadDeviceToken"
_BUSY: Final = frozenset({"TooManyRequests", "TooManyProviderTokenUpdates"})
_ACCOUNT_REASONS: Final = frozenset({"TopicDisallowed", "BadEnvironmentKeyInToken", "BadTopic", "MissingTopic"})
_HEX: Final = re.compile(r"[0-9a-fA-F]{64,200}")
_REASON: Final = re.compile(r"[A-Za-z]{1,40}")


class ApnsToken:
    """The token of a team, the same in all processes for half an hour.

    Its time is rounded, and its signature drawn from its content (RFC 6979).
    """

    def __init__(self, key: EllipticCurvePrivateKey, key_id: str, team: str) -> None:
        self._key = key
        self._head = {"alg": "ES256", "kid": key_id}
        self._team = team
        self._known: tuple[int, str] | None = None

    def find(self, now: datetime) -> str:
        """Return the token of an instant."""
        issued_at = int(now.timestamp()) // TOKEN_SECONDS * TOKEN_SECONDS
        if self._known is None or self._known[0] != issued_at:
            self._known = issued_at, self._sign(issued_at)
        return self._known[1]

    def _sign(self, issued_at: int) -> str:
        parts = (self._head, {"iss": self._team, "iat": issued_at})
        content = ".".join(_encode(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
        signature = self._key.sign(content.encode(), ECDSA(SHA256(), deterministic_signing=True))
        # RFC 7518, 3.4: both numbers in 32 bytes.
        numbers = b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(signature))
        return f"{content}.{_encode(numbers)}"


class Apns:
    """A team at Apple's push service.

    The first of the `topics` is that of devices which name none of them. `hosts` are the services by environment.
    `tls_context` replaces the machine's certificate authorities. `seconds` bounds a call as a whole.
    """

    name = "apns"
    repeats = Replaces()

    def __init__(
        self,
        token: ApnsToken,
        topics: Sequence[str],
        hosts: dict[ApnsEnvironment, str] = HOSTS,
        *,
        tls_context: ssl.SSLContext | None = None,
        seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._token = token
        self._topics = topics
        self._hosts = hosts
        self._seconds = seconds
        self._calls = {
            environment: HttpCalls(f"apns-{environment}", tls_context=tls_context, seconds=seconds, is_http2=True)
            for environment in hosts
        }
        self._streams = {environment: asyncio.Semaphore(MAX_STREAMS) for environment in hosts}

    def account(self, message: Outbound) -> str:
        return self.name

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Request the notification; without an environment, of one and then the other."""
        device = message.device
        if device is None or not _HEX.fullmatch(address):
            return Rejected("invalid_address", "the address is not one of a device", "address")
        payload = write_json(build_payload(message))
        if len(payload) > MAX_PAYLOAD_BYTES:
            return Rejected("invalid_message", f"the notification has {len(payload)} bytes of {MAX_PAYLOAD_BYTES}")
        headers = self._headers(message, device)
        environments = [device.environment] if device.environment else list(self._hosts)
        refused: Rejected | None = None
        with share_time(self._seconds):
            for environment in environments:
                delivery = await self._post(environment, address, payload, headers, device)
                if refused is not None and isinstance(delivery, Unavailable) and delivery.reason == ACCOUNT:
                    # A key may be of one environment only: it has said what it knows.
                    return refused
                if not isinstance(delivery, Rejected) or delivery.reason != _spell_reason(_BAD):
                    return delivery
                refused = delivery
        return refused or Rejected("invalid_address", "the device has no environment", "address")

    async def check(self) -> Unavailable | None:
        """Ask for a notification to a device that does not exist."""
        headers = {"apns-topic": self._topics[0], "authorization": f"bearer {self._token.find(datetime.now(UTC))}"}
        reply = await self._calls["production"].call(
            "POST", f"{self._hosts['production']}/3/device/{'0' * 64}", headers=headers, content=b"{}"
        )
        if not isinstance(reply, HttpReply):
            return reply if isinstance(reply, Unavailable) else Unavailable("connection", reply.detail)
        delivery = read_reply(reply, None)
        return delivery if isinstance(delivery, Unavailable) else _read_account(reply)

    async def close(self) -> None:
        """Close the connections."""
        for calls in self._calls.values():
            await calls.close()

    async def _post(
        self,
        environment: ApnsEnvironment,
        address: str,
        payload: bytes,
        headers: dict[str, str],
        device: DeviceAddress,
    ) -> Delivery:
        async with self._streams[environment]:
            return await self._calls[environment].post(
                f"{self._hosts[environment]}/3/device/{address}",
                content=payload,
                headers=headers,
                read=lambda reply: read_reply(reply, device),
            )

    def _headers(self, message: Outbound, device: DeviceAddress) -> dict[str, str]:
        now = datetime.now(UTC)
        return {
            "authorization": f"bearer {self._token.find(now)}",
            "apns-topic": device.app if device.app in self._topics else self._topics[0],
            "apns-push-type": "alert",
            "apns-priority": "10" if is_pressing(message) else "5",
            "apns-expiration": str(int(message.at.timestamp()) + find_ttl(message)),
            "apns-collapse-id": find_collapse_id(message),
            "apns-id": message.message_id,
        }


def build_payload(message: Outbound) -> dict[str, Any]:
    """Return the payload: what iOS shows, and what the app reads beside it."""
    content = message.content
    shown = {
        "alert": {"title": content["title"], "body": content["body"]},
        "badge": content.get("badge"),
        "sound": content.get("sound"),
        # An extension of the app loads the image.
        "mutable-content": 1 if "image" in content else None,
    }
    return {**list_values(message), "aps": {key: value for key, value in shown.items() if value is not None}}


def read_reply(reply: HttpReply, device: DeviceAddress | None) -> Delivery | None:
    """Read a reply by its reason."""
    if reply.status == 200:
        return Accepted(reply.headers.get("apns-id"))
    reason = reply.find_text("reason") or ""
    if not _REASON.fullmatch(reason):
        return None
    said = f"apns: {reason}"
    if reason in _GONE:
        return Rejected(_spell_reason(reason), said, "address" if _is_later(reply, device) else "message")
    if reason == _BAD:
        return Rejected(_spell_reason(_BAD), said, "address")
    if reason in _ACCOUNT_REASONS or reply.status == 403:
        return Unavailable(ACCOUNT, said, MAX_RETRY_AFTER)
    if reason in _BUSY:
        # It concerns this device, or the team for a moment: others need not wait.
        return Unavailable("http_429", said)
    if reply.status in (400, 404, 405, 413):
        return Rejected(_spell_reason(reason), said)
    return None


def _read_account(reply: HttpReply) -> Unavailable | None:
    """Return None for the refusal of a device that does not exist."""
    if reply.find_text("reason") in (_BAD, "PayloadEmpty", "MissingDeviceToken", "DeviceTokenNotForTopic"):
        return None
    return Unavailable(ACCOUNT, f"apns answered {reply.status}")


def _is_later(reply: HttpReply, device: DeviceAddress | None) -> bool:
    """Return whether the device was still registered when Apple last knew of it."""
    gone_at = read_epoch_milliseconds(reply.find("timestamp"))
    return device is None or gone_at is None or gone_at > device.seen_at


def _spell_reason(reason: str) -> str:
    """Return a reason as the ledger writes them."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", reason).lower()


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def read_key(text: str) -> EllipticCurvePrivateKey:
    """Read a key, a file `.p8`. Raises ValueError."""
    try:
        key = load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError) as error:
        raise ValueError("this is not a key of Apple's in PEM") from error
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ValueError("the key is of another kind")
    return key


def open_apns(settings: ApnsModel, context: ProviderContext) -> Apns:
    """Open the team; no connection is made yet."""
    try:
        key = read_key(context.secrets.for_own_use(settings.key))
    except ValueError as error:
        raise SecretRefusal("secret_malformed", f"the secret {settings.key}: {error}") from error
    return Apns(ApnsToken(key, settings.key_id, settings.team), settings.topics)


KIND = ProviderKind(ApnsModel, open_apns)
