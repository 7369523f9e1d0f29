"""Calls of a provider's API: one POST a message, and the delivery by its reply.

The request is watched, so that a failure is known to be before or after the first byte of the body. All providers share
the rules of `judge`; each adds only what its own codes mean.
"""

import asyncio
import json
import math
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from http.cookiejar import CookieJar, DefaultCookiePolicy
from time import monotonic
from typing import Any, Final

import httpx

from channels.bulkhead import Bulkhead
from channels.guarded_transport import UnknownHostError
from channels.retry_after import MAX_RETRY_AFTER, read_retry_after
from channels.tls import public_authorities
from domain.sending.delivery import ACCOUNT, Accepted, Ambiguous, Delivery, Rejected, Unavailable

CONNECT_SECONDS: Final = 10.0
TOTAL_SECONDS: Final = 30.0
MAX_REPLY_BYTES: Final = 64 * 1024
# Shorter than servers keep an idle connection: a request on one that is being closed would be ambiguous.
KEEPALIVE_SECONDS: Final = 4.0
MAX_CONNECTIONS: Final = 50

# Nothing was called: the URL has no host that could be.
UNUSABLE_URL: Final = "unusable_url"
# From the first byte of the body on, the provider may have all of it.
HANDED_OVER: Final = frozenset({"http11.send_request_body.started", "http2.send_request_body.started"})
# A redirect leads to another address, which the settings do not name.
_ACCOUNT: Final = frozenset({401, 402, 403, *range(300, 400)})
# Certainly not carried out: RFC 9110, 15.5.9 and 15.6.4; RFC 8470, 5.2; RFC 6585, 4.
_BUSY: Final = frozenset({408, 425, 429, 503})

_UNENCODED: Final = {"Accept-Encoding": "identity"}

# When all calls of one delivery are to be over, by the clock of the loop.
_DEADLINE: Final = ContextVar("deadline", default=math.inf)


@contextmanager
def share_time(seconds: float) -> Iterator[None]:
    """Bound the calls within as a whole, as if they were one.

    A delivery that looks something up first would else take longer than its attempt has.
    """
    token = _DEADLINE.set(min(_DEADLINE.get(), _now() + seconds))
    try:
        yield
    finally:
        _DEADLINE.reset(token)


@dataclass(frozen=True)
class HttpReply:
    """A reply. The body is empty if it could not be read, or is too large."""

    status: int
    headers: Mapping[str, str] = field(default_factory=httpx.Headers)
    body: bytes = b""

    @cached_property
    def json(self) -> Any:
        """The JSON of the body; None if it is none.

        It is read once, however many members are looked for.
        """
        # The message was handed over: no reply, however deeply nested, may look like a failure of ours.
        with suppress(ValueError, RecursionError):
            return json.loads(self.body)
        return None

    def find(self, *path: str | int) -> Any:
        """Return a member of a JSON body by its keys and indexes; None if it has none."""
        found = self.json
        for key in path:
            if isinstance(found, dict) and isinstance(key, str):
                found = found.get(key)
            elif isinstance(found, list) and isinstance(key, int) and -len(found) <= key < len(found):
                found = found[key]
            else:
                return None
        return found

    def find_text(self, *path: str | int) -> str | None:
        """Return a text or a number of a JSON body as text; None if there is none."""
        found = self.find(*path)
        is_scalar = isinstance(found, str | int) and not isinstance(found, bool)
        return str(found) if is_scalar else None


# The delivery by the codes of one provider; None for the rules that all have.
ReadReply = Callable[[HttpReply], Delivery | None]


@dataclass(slots=True)
class _Progress:
    is_handed_over: bool = False

    async def trace(self, event: str, _: Mapping[str, Any]) -> None:
        if event in HANDED_OVER:
            self.is_handed_over = True


class HttpCalls:
    """The calls of one account, over kept connections.

    `account` names it for the bulkhead. `tls_context` replaces the machine's certificate authorities. `seconds` bounds
    a call as a whole, and `max_reply_bytes` what is read of a reply. `transport` replaces the usual one, and `is_http2`
    has it speak HTTP/2.
    """

    def __init__(
        self,
        account: str,
        *,
        tls_context: ssl.SSLContext | None = None,
        seconds: float = TOTAL_SECONDS,
        max_reply_bytes: int = MAX_REPLY_BYTES,
        transport: httpx.AsyncBaseTransport | None = None,
        is_http2: bool = False,
    ) -> None:
        self._account = account
        self._transport = transport
        self._is_http2 = is_http2
        self._tls_context = tls_context
        self._seconds = seconds
        self._max_reply_bytes = max_reply_bytes
        self._bulkhead = Bulkhead()
        self._client: httpx.AsyncClient | None = None
        self._paused_until = 0.0

    async def post(
        self, url: str, *, content: bytes, headers: Mapping[str, str], read: ReadReply, method: str = "POST"
    ) -> Delivery:
        """Post a message; return its delivery, first by `read`, then by `judge`.

        While the account is to send nothing, no call is made.
        """
        if (rest := self._paused_until - monotonic()) > 0:
            return Unavailable("busy", "the provider has asked for a pause", rest)
        with self._bulkhead.call(self._account) as call:
            if call is None:
                return Unavailable("receiver_busy", "messages before this one wait for the provider's answer")
            reply = await self.call(method, url, content=content, headers=headers)
            call.is_answered = isinstance(reply, HttpReply)
        if not isinstance(reply, HttpReply):
            return reply
        delivery = read(reply) or judge(reply, datetime.now(UTC))
        self._pause(reply, delivery)
        return delivery

    async def get(self, url: str, *, headers: Mapping[str, str], read: ReadReply | None = None) -> Unavailable | None:
        """Try the account by a GET; return why it cannot send, else None."""
        reply = await self.call("GET", url, headers=headers)
        if not isinstance(reply, HttpReply):
            return reply if isinstance(reply, Unavailable) else Unavailable("connection", reply.detail)
        delivery = (read and read(reply)) or judge(reply, datetime.now(UTC))
        match delivery:
            case Accepted():
                return None
            case Unavailable():
                return delivery
        return Unavailable(ACCOUNT, delivery.detail)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def call(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes = b""
    ) -> HttpReply | Unavailable | Ambiguous:
        """Call the account; return the reply, or why there is none."""
        progress = _Progress()
        reply: HttpReply | None = None
        client = self._open()
        try:
            request = client.build_request(
                method,
                url,
                content=content or None,
                headers={**headers, **_UNENCODED},
                extensions={"trace": progress.trace},
            )
            async with asyncio.timeout_at(min(_now() + self._seconds, _DEADLINE.get())):
                response = await client.send(request, stream=True)
                reply = HttpReply(response.status_code, response.headers)
                body = await _read_body(response, self._max_reply_bytes)
                reply = HttpReply(response.status_code, response.headers, body)
        except (httpx.InvalidURL, UnknownHostError) as error:
            return Unavailable(UNUSABLE_URL, type(error).__name__)
        except UnicodeEncodeError:
            # The headers have nothing of a person: a secret was copied with something else.
            return Unavailable(ACCOUNT, "a header of the account is not ASCII", MAX_RETRY_AFTER)
        except (httpx.HTTPError, OSError) as error:
            # The status line has said most: a body that breaks off changes no acceptance.
            return reply or _read_failure(error, is_handed_over=progress.is_handed_over)
        return reply

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                transport=self._transport,
                http2=self._is_http2,
                verify=self._tls_context or public_authorities(),
                # No message is of the session of another, and no request grows by what replies set.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                trust_env=False,
                follow_redirects=False,
                timeout=httpx.Timeout(self._seconds, connect=min(CONNECT_SECONDS, self._seconds / 2)),
                limits=httpx.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEPALIVE_SECONDS),
            )
        return self._client

    def _pause(self, reply: HttpReply, delivery: Delivery) -> None:
        """Send nothing while the provider counts down: after a 429, or with nothing left."""
        seconds = None
        if reply.headers.get("ratelimit-remaining") == "0":
            seconds = read_retry_after(reply.headers.get("ratelimit-reset"), datetime.now(UTC))
        if reply.status == httpx.codes.TOO_MANY_REQUESTS and isinstance(delivery, Unavailable):
            seconds = max(seconds or 0.0, delivery.retry_after or 0.0)
        if seconds:
            self._paused_until = max(self._paused_until, monotonic() + seconds)


def judge(reply: HttpReply, now: datetime) -> Delivery:
    """Return the delivery by the rules of all providers. Its detail quotes nothing.

    An error of the server may follow the acceptance of the message, so it is ambiguous; the ledger knows whether a
    repetition reaches the person twice.
    """
    said = f"the provider answered {reply.status}"
    if reply.status in range(200, 300):
        return Accepted(None)
    if reply.status in _ACCOUNT:
        return Unavailable(ACCOUNT, said, MAX_RETRY_AFTER)
    if reply.status in _BUSY:
        return Unavailable(f"http_{reply.status}", said, read_retry_after(reply.headers.get("retry-after"), now))
    if reply.status in range(500, 600):
        return Ambiguous(said)
    return Rejected(f"http_{reply.status}", said)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _read_failure(error: Exception, *, is_handed_over: bool) -> Unavailable | Ambiguous:
    """Return the outcome of a call without an answer."""
    # The provider's own words may stand in the error.
    detail = "timed out" if isinstance(error, TimeoutError) else type(error).__name__
    return Ambiguous(detail) if is_handed_over else Unavailable("connection", detail)


async def _read_body(response: httpx.Response, max_bytes: int) -> bytes:
    """Read the body to its end, so that the connection is kept.

    It is empty if too large, or encoded without our consent: some bytes can become gigabytes.
    """
    received = b""
    try:
        async for chunk in response.aiter_raw():
            received += chunk
            if len(received) > max_bytes:
                return b""
    finally:
        await response.aclose()
    return received if response.headers.get("content-encoding", "identity").lower() == "identity" else b""
