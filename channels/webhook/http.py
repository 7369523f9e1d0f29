"""Webhooks by HTTP: fill in secrets, build the request, send it, read the reply."""

import asyncio
import base64
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx
from standardwebhooks import Webhook

from channels.bulkhead import Bulkhead, Call
from channels.guarded_transport import BlockedAddressError, GuardedTransport, InvalidHostError
from channels.http_call import HANDED_OVER
from channels.provider_kind import ProviderContext, ProviderKind
from channels.resolver import Resolver
from channels.retry_after import read_retry_after
from channels.tls import public_authorities
from channels.webhook.request import WebhookRequest, build
from domain.sending.delivery import Accepted, Ambiguous, Delivery, Keyed, Outbound, Rejected, Unavailable
from domain.sending.outbound_secrets import BoundSecret, SecretKeeper, SecretRefusal, redact_json
from domain.sending.providers.http import HttpModel
from domain.sending.saved_values import SavedReply, read_saved

CONNECT_SECONDS = 10
TOTAL_SECONDS = 30
MAX_REPLY_BYTES = 64 * 1024

_SUCCESS, _SERVER_ERRORS = range(200, 300), range(500, 600)
# Certainly not carried out: RFC 9110, 15.5.9 and 15.6.4; RFC 8470, 5.2; RFC 6585, 4.
_RETRIED = frozenset({408, 425, 429, 503})


@dataclass(slots=True)
class _Progress:
    """`is_handed_over` from the body's first byte on: the receiver may have all of it."""

    is_handed_over: bool = False

    async def trace(self, event: str, _: Mapping[str, Any]) -> None:
        if event in HANDED_OVER:
            self.is_handed_over = True


class WebhookHttp:
    """Sends messages to the URLs of their templates.

    `signing_secrets` are Standard Webhooks secrets, `whsec_` and base64; raises ValueError for any other text. Each of
    them signs, so that receivers can change to the next at any time. Without `allow_private_addresses`, only the public
    Internet is reached. `tls_context` replaces the machine's certificate authorities, for receivers with a private one.
    `seconds` bounds a delivery as a whole. `resolver` resolves the names of receivers; each provider has its own.
    `secrets` are those that requests carry, by name.
    """

    name = "http"
    # By `webhook-id`, as receivers of the specification keep it. Any other request is repeated by its method only.
    repeats = Keyed()

    def __init__(
        self,
        signing_secrets: Sequence[str],
        allow_private_addresses: bool,
        *,
        secrets: Mapping[str, BoundSecret] | None = None,
        tls_context: ssl.SSLContext | None = None,
        seconds: float = TOTAL_SECONDS,
        resolver: Resolver | None = None,
    ) -> None:
        self._signers = [Webhook(_key(secret)) for secret in signing_secrets]
        self._allow_private_addresses = allow_private_addresses
        self._tls_context = tls_context or public_authorities()
        self._seconds = seconds
        self._secrets = SecretKeeper(secrets or {})
        self._bulkhead = Bulkhead()
        self._resolver = resolver or Resolver()

    def account(self, message: Outbound) -> str:
        return host_of(message.content["url"])

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Send the request. The result contains no secret."""
        try:
            request = self._build(message)
        except SecretRefusal as refusal:
            return Rejected(refusal.reason, refusal.detail)
        except (httpx.InvalidURL, ValueError) as error:
            return Rejected("invalid_message", self._secrets.redact(str(error), message.content))
        with self._bulkhead.call(request.url.netloc.decode("ascii")) as call:
            if call is None:
                return Unavailable("receiver_busy", "messages before this one wait for the receiver's answer")
            delivery = await self._send(request, call)
        if isinstance(delivery, Accepted):
            return replace(delivery, saved=self._redact_saved(delivery.saved, message))
        return replace(delivery, detail=self._secrets.redact(delivery.detail, message.content))

    async def check(self) -> Unavailable | None:
        """Return None: each template names a receiver of its own."""
        return None

    async def close(self) -> None:
        """Each message has a connection of its own."""

    def _redact_saved(self, saved: SavedReply, message: Outbound) -> SavedReply:
        values = redact_json(dict(saved.values), lambda text: self._secrets.redact(text, message.content))
        return SavedReply(values, saved.detail)

    def _build(self, message: Outbound) -> WebhookRequest:
        content = self._secrets.fill(message.content, self.account(message))
        request = build(content, message.message_id, message.at, self._signers, datetime.now(UTC))
        # By the URL that is called, whatever was put into it.
        host = request.url.raw_host.decode("ascii")
        self._secrets.check_host(message.content, request.url.scheme, host)
        return request

    async def _send(self, request: WebhookRequest, call: Call) -> Delivery:
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
            request.method,
            request.url,
            content=request.body,
            headers=request.headers,
            extensions={"trace": progress.trace},
        )
        try:
            async with asyncio.timeout(self._seconds), client:
                response = await client.send(outgoing, stream=True)
                retry_after = response.headers.get("retry-after")
                delivery = read_reply(
                    response.status_code, retry_after, datetime.now(UTC), is_repeatable=request.is_repeatable
                )
                reply = await _read(response)
                call.is_answered = True
                if isinstance(delivery, Accepted):
                    delivery = Accepted(None, read_saved(request.save, reply))
        except (httpx.HTTPError, BlockedAddressError, InvalidHostError, OSError) as error:
            # The status line has said it all: what goes wrong behind it changes no outcome.
            if isinstance(delivery, Accepted):
                return Accepted(None, read_saved(request.save, None))
            return delivery or read_failure(error, progress.is_handed_over)
        return delivery


def host_of(url: str) -> str:
    """Return the host of a URL; empty if it is invalid."""
    try:
        return httpx.URL(url).host
    except httpx.InvalidURL:
        return ""


def read_reply(status: int, retry_after: str | None, now: datetime, *, is_repeatable: bool) -> Delivery:
    """Read a status code. A redirect is a refusal, since it leads to another address.

    A server error may follow the effect of the request, which only matters if that could then happen twice.
    """
    said = f"the receiver answered {status}"
    if status in _SUCCESS:
        return Accepted(None)
    if status in _RETRIED or (status in _SERVER_ERRORS and is_repeatable):
        return Unavailable(f"http_{status}", said, read_retry_after(retry_after, now))
    if status in _SERVER_ERRORS:
        return Ambiguous(said)
    return Rejected(f"http_{status}", said)


def read_failure(error: Exception, is_handed_over: bool) -> Delivery:
    """Return the outcome of a request without an answer."""
    # The receiver's own words stand behind a colon.
    said = str(error).partition(":")[0] if isinstance(error, httpx.RemoteProtocolError) else str(error)
    detail = f"{type(error).__name__}: {said}".removesuffix(": ")
    if isinstance(error, BlockedAddressError):
        return Rejected("blocked_address", detail)
    if isinstance(error, InvalidHostError):
        return Rejected("invalid_message", detail)
    if is_handed_over:
        return Ambiguous(detail)
    return Unavailable("connection", detail)


def _key(secret: str) -> bytes:
    # The library skips invalid base64 in silence, and would sign with another key than the receiver's.
    encoded = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError("the webhook signing secret must be whsec_ and base64")
    return key


async def _read(response: httpx.Response) -> bytes | None:
    """Read the reply; None if it is too large, or encoded without our consent."""
    # A receiver cut off while it answers may take its own work back, so a reply of ordinary size is let finish.
    received = b""
    try:
        async for chunk in response.aiter_raw():
            received += chunk
            if len(received) > MAX_REPLY_BYTES:
                return None
    finally:
        await response.aclose()
    return received if response.headers.get("content-encoding", "identity").lower() == "identity" else None


def open_http(settings: HttpModel, context: ProviderContext) -> WebhookHttp:
    """Open the provider; no connection is made yet."""
    return open_default(context)


def open_default(context: ProviderContext) -> WebhookHttp:
    """Open the provider by the deployment's settings; no connection is made yet."""
    return WebhookHttp(context.signing_secrets, context.allow_private_addresses, secrets=context.webhook_secrets)


KIND = ProviderKind(HttpModel, open_http, open_default)
