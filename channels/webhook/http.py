"""Webhooks by HTTP POST, signed by the Standard Webhooks specification: build the request, send it, read the reply."""

import asyncio
import base64
import json
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, SecretStr
from standardwebhooks import Webhook

from channels.bulkhead import Bulkhead, Call
from channels.guarded_transport import BlockedAddressError, GuardedTransport, InvalidHostError
from channels.provider_kind import ProviderKind
from channels.resolver import Resolver
from channels.tls import public_authorities
from domain.sending.delivery import Accepted, Ambiguous, Delivery, Keyed, Outbound, Rejected, Unavailable

CONNECT_SECONDS = 10
TOTAL_SECONDS = 30
MAX_REPLY_BYTES = 64 * 1024

_RETRIED = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One signed POST."""

    url: httpx.URL
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class _Progress:
    """`is_handed_over` from the first byte of the body on: the receiver may have had all of it."""

    is_handed_over: bool = False

    async def trace(self, event: str, _: Mapping[str, Any]) -> None:
        if event == "http11.send_request_body.started":
            self.is_handed_over = True


class WebhookHttp:
    """Posts messages to the URLs of their templates.

    `signing_secrets` are Standard Webhooks secrets, `whsec_` and base64; raises ValueError for any other text. Each of
    them signs, so that receivers change from one to the next when they like. Unless `allow_private_addresses`, only the
    public Internet is reached. `tls_context` replaces the machine's certificate authorities, for receivers with a
    private one. `seconds` bounds a delivery as a whole. `resolver` looks up the names of receivers; each provider has
    its own.
    """

    name = "http"
    # By `webhook-id`, as receivers of the specification keep it.
    repeats = Keyed()

    def __init__(
        self,
        signing_secrets: Sequence[str],
        allow_private_addresses: bool,
        *,
        tls_context: ssl.SSLContext | None = None,
        seconds: float = TOTAL_SECONDS,
        resolver: Resolver | None = None,
    ) -> None:
        self._signers = [Webhook(_key(secret)) for secret in signing_secrets]
        self._allow_private_addresses = allow_private_addresses
        self._tls_context = tls_context or public_authorities()
        self._seconds = seconds
        self._bulkhead = Bulkhead()
        self._resolver = resolver or Resolver()

    def account(self, message: Outbound) -> str:
        return host_of(message.content["url"])

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Post the message."""
        try:
            request = build(message, self._signers, datetime.now(UTC))
        except (httpx.InvalidURL, ValueError) as error:
            return Rejected("invalid_message", str(error))
        with self._bulkhead.call(request.url.netloc.decode("ascii")) as call:
            if call is None:
                return Unavailable("receiver_busy", "messages before this one wait for the receiver's answer")
            return await self._post(request, call)

    async def _post(self, request: WebhookRequest, call: Call) -> Delivery:
        progress = _Progress()
        delivery: Delivery | None = None
        client = httpx.AsyncClient(
            transport=GuardedTransport(
                self._resolver,
                allow_private_addresses=self._allow_private_addresses,
                tls_context=self._tls_context,
            ),
            trust_env=False,
            follow_redirects=False,
            # Shorter than the whole: httpcore closes a connection whose handshake runs out of its own time only.
            timeout=httpx.Timeout(self._seconds, connect=min(CONNECT_SECONDS, self._seconds / 2)),
        )
        outgoing = client.build_request(
            "POST",
            request.url,
            content=request.body,
            headers=request.headers,
            extensions={"trace": progress.trace},
        )
        try:
            async with asyncio.timeout(self._seconds), client:
                response = await client.send(outgoing, stream=True)
                delivery = read_reply(response.status_code, response.headers.get("retry-after"), datetime.now(UTC))
                await _drain(response)
                call.is_answered = True
        except (httpx.HTTPError, BlockedAddressError, InvalidHostError, OSError) as error:
            # The status line has said it all: what goes wrong behind it changes nothing.
            return delivery or read_failure(error, progress.is_handed_over)
        return delivery


def build(message: Outbound, signers: Sequence[Webhook], now: datetime) -> WebhookRequest:
    """The signed request. `now` is the real time, which receivers compare with their own clocks.

    Raises ValueError or httpx.InvalidURL where the URL is none, or the data is not JSON.
    """
    url = httpx.URL(message.content["url"])
    is_host = bool(url.raw_host) and b"%" not in url.raw_host
    is_port = url.port is None or 0 < url.port < 65_536
    if url.scheme not in {"http", "https"} or not is_host or not is_port:
        raise ValueError("the URL is not an absolute http or https one")
    happened = message.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    envelope = {"type": "sojourn.message", "timestamp": happened, "data": message.content["data"]}
    body = json.dumps(envelope, separators=(",", ":"), allow_nan=False)
    headers = {
        "content-type": "application/json",
        "user-agent": "Sojourn",
        "idempotency-key": message.message_id,
        "webhook-id": message.message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signer.sign(message.message_id, now, body) for signer in signers),
    }
    return WebhookRequest(url, headers, body.encode())


def host_of(url: str) -> str:
    """The host that a URL leads to; empty where it is none."""
    try:
        return httpx.URL(url).host
    except httpx.InvalidURL:
        return ""


def read_reply(status: int, retry_after: str | None, now: datetime) -> Delivery:
    """What a status code means. A redirect is a refusal: following it would post the data to another address."""
    if 200 <= status < 300:
        return Accepted(None)
    if status in _RETRIED or status >= 500:
        return Unavailable(f"http_{status}", f"the receiver answered {status}", _seconds(retry_after, now))
    return Rejected(f"http_{status}", f"the receiver answered {status}")


def read_failure(error: Exception, is_handed_over: bool) -> Delivery:
    """What a request without an answer means."""
    detail = f"{type(error).__name__}: {error}".removesuffix(": ")
    if isinstance(error, BlockedAddressError):
        return Rejected("blocked_address", detail)
    if isinstance(error, InvalidHostError):
        return Rejected("invalid_message", detail)
    if is_handed_over:
        return Ambiguous(detail)
    return Unavailable("connection", detail)


def _key(secret: str) -> bytes:
    # The library skips what is not base64 without a word, which would sign with another key than the receiver's.
    encoded = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError("the webhook signing secret must be whsec_ and base64")
    return key


def _seconds(retry_after: str | None, now: datetime) -> float | None:
    """RFC 9110, 10.2.3: a number of seconds, or a date."""
    if retry_after is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", retry_after):
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())


async def _drain(response: httpx.Response) -> None:
    # A receiver cut off while it answers may take its own work back, so a reply of ordinary size is let finish.
    received = 0
    try:
        async for chunk in response.aiter_raw():
            received += len(chunk)
            if received > MAX_REPLY_BYTES:
                return
    finally:
        await response.aclose()


class HttpSettings(BaseModel):
    """The secrets that sign, the newest first, and whether receivers on private networks are reached."""

    model_config = ConfigDict(extra="forbid")

    signing_secrets: list[SecretStr]
    allow_private_addresses: bool = False


def open_http(settings: HttpSettings) -> WebhookHttp:
    """Open the provider; no connection is made yet."""
    secrets = [secret.get_secret_value() for secret in settings.signing_secrets]
    return WebhookHttp(secrets, settings.allow_private_addresses)


KIND = ProviderKind("http", frozenset({"webhook"}), HttpSettings, open_http)
