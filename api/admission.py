"""Admission: how much work one process accepts. The excess is refused at once.

An overloaded process must not answer everybody late: a refused client returns, or is directed to another process, while
admitted requests are served in time.

A request has a slot from when its body is complete, so half-sent requests hold bytes and no slot. Until the key of a
server is known it uses only a share of both, and each client address has a smaller share: callers without one, or with
a browser key, can exclude only others of their address. The key in the header or the query is verified before the body
is read.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from random import randint
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import auth, problems
from api.client_address import Network, client_of
from api.dependencies import services_of
from api.limits import MAX_UNKNOWN_BYTES, Allowance, body_too_large
from domain.errors import OverloadedError, RequestTimeoutError, SojournError
from domain.sending.reports import MAX_CALLBACK_BYTES

# For each database connection, which a request waits for 2 s at most: at 100 ms a transaction all are served. A batch
# of 100 events takes less.
REQUESTS_A_CONNECTION: Final = 20
# For bodies, which grow several times when decoded.
MAX_BYTES: Final = 64 * 1024 * 1024
# For one body: a campaign with its templates. The largest seen in practice have tens of kilobytes.
MAX_REQUEST_BYTES: Final = 4 * 1024 * 1024
# A body may take this many seconds, and one more for each MIN_BYTES_A_SECOND received.
BODY_SECONDS: Final = 10.0
MIN_BYTES_A_SECOND: Final = 64 * 1024
# The share of slots and bytes for all requests without a known key, and for one client address among them.
SHARE_OF_UNKNOWN: Final = 2
SHARE_OF_UNKNOWN_CLIENT: Final = 8
# The callbacks of providers have no key, and take no slots of others: those that wait are applied together, by one
# connection of the database. A provider sends from few addresses, so that one may have all.
MAX_CALLBACKS: Final = 400
# The share of bytes for them.
SHARE_OF_CALLBACKS: Final = 8
# Callbacks of one process in a second. Further ones are refused unread, and repeated by their providers.
MAX_CALLBACKS_PER_SECOND: Final = 1_000
CALLBACKS: Final = "/v1/callbacks/"
# The share of bytes for one client address with known keys: one backend must not use up the room of all.
SHARE_OF_CLIENT: Final = 2
# The range of delays, so that clients refused together do not return together. Seconds.
SOONEST: Final = 1
LATEST: Final = 5

_UNKNOWN_EXCESS: Final = "too many requests without the key of a server are under way, here or from your address"
_CALLBACK_EXCESS: Final = "too many callbacks of providers are under way"

# Health checks and metrics are answered under any load.
_EXEMPT: Final = frozenset({"/healthz", "/readyz"})


class Share:
    """An amount that is bounded in total and for each client address."""

    def __init__(self, most: int, most_of_client: int) -> None:
        self._most, self._most_of_client = most, most_of_client
        self.taken = 0
        self.of_client: Counter[str] = Counter()

    def take(self, client: str, amount: int) -> bool:
        """Take an amount; return False and take nothing if it exceeds a bound."""
        if self.taken + amount > self._most or self.of_client[client] + amount > self._most_of_client:
            return False
        self.taken += amount
        self.of_client[client] += amount
        return True

    def give_back(self, client: str, amount: int) -> None:
        """Return an amount. Clients with nothing are forgotten, since there may be many."""
        self.taken -= amount
        self.of_client[client] -= amount
        if not self.of_client[client]:
            del self.of_client[client]


class Admission:
    """Admits `most_requests` at a time, and MAX_BYTES of bodies; refuses others."""

    def __init__(self, app: ASGIApp, most_requests: int, trusted_proxies: Sequence[Network]) -> None:
        self._app = app
        self._trusted_proxies = trusted_proxies
        self.slots = Share(most_requests, most_requests)
        self.bytes = Share(MAX_BYTES, MAX_BYTES // SHARE_OF_CLIENT)
        self.unknown_slots = Share(
            max(1, most_requests // SHARE_OF_UNKNOWN), max(1, most_requests // SHARE_OF_UNKNOWN_CLIENT)
        )
        self.unknown_bytes = Share(MAX_BYTES // SHARE_OF_UNKNOWN, MAX_BYTES // SHARE_OF_UNKNOWN_CLIENT)
        self.callback_slots = Share(MAX_CALLBACKS, MAX_CALLBACKS)
        self.callback_bytes = Share(MAX_BYTES // SHARE_OF_CALLBACKS, MAX_BYTES // SHARE_OF_CALLBACKS // 2)
        self.callback_rate = Allowance(MAX_CALLBACKS_PER_SECOND, "callbacks", whose="this process")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _EXEMPT:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        peer = scope.get("client") or ("", 0)
        is_callback = scope["path"].startswith(CALLBACKS)
        visit = Visit(self, client_of(peer[0], request.headers, self._trusted_proxies), is_callback=is_callback)
        try:
            try:
                let_in = self._let_in_callback if is_callback else self._let_in
                read = await let_in(request, receive, visit)
            except SojournError as error:
                await problems.answer(error)(scope, receive, send)
                return
            except problems.DATABASE_AWAY as error:
                await problems.database_away(error)(scope, receive, send)
                return
            await self._app(scope, read, send)
        finally:
            visit.end()

    async def _let_in(self, request: Request, receive: Receive, visit: "Visit") -> Receive:
        """Admit a request; return how the application reads the body.

        Raises SojournError for a refused one, psycopg.Error if the database cannot resolve the key, and
        ClientDisconnect.
        """
        request.state.visit = visit
        given = await auth.recognise(request)
        is_known = given.is_of_server
        if is_known:
            visit.is_known()
        if given.is_wrong:
            # A public page reads no body, and other routes refuse a missing key before they do.
            visit.enter()
            return _unread
        limit = MAX_REQUEST_BYTES if is_known else MAX_UNKNOWN_BYTES
        body = await _gather_body(request, receive, visit, limit, is_known=is_known)
        visit.enter()
        return _replay_body(body, receive)

    async def _let_in_callback(self, request: Request, receive: Receive, visit: "Visit") -> Receive:
        """Admit a callback, which is verified by its route. Raises as `_let_in` does."""
        request.state.visit = visit
        self.callback_rate.use(CALLBACKS, 1)
        await services_of(request).callbacks.wait_turn()
        body = await _gather_body(request, receive, visit, MAX_CALLBACK_BYTES, is_known=True)
        visit.enter()
        return _replay_body(body, receive)


class Visit:
    """The resources of one request: bytes as its body arrives, then a slot."""

    def __init__(self, admission: Admission, client: str, *, is_callback: bool = False) -> None:
        self._admission = admission
        self._all_slots = admission.callback_slots if is_callback else admission.slots
        # The class of a request without a known key.
        self._class_slots = None if is_callback else admission.unknown_slots
        self._class_bytes = admission.callback_bytes if is_callback else admission.unknown_bytes
        self._excess = _CALLBACK_EXCESS if is_callback else _UNKNOWN_EXCESS
        self._client = client
        self._bytes = 0
        self._slots = 0
        self._is_known = False

    @property
    def client(self) -> str:
        """The address of the client, as limits count it."""
        return self._client

    def hold(self, size: int) -> None:
        """Take bytes. Raises OverloadedError."""
        self._take(self._admission.bytes, self._class_bytes, size)
        self._bytes += size

    def enter(self) -> None:
        """Take a slot. Raises OverloadedError."""
        self._take(self._all_slots, self._class_slots, 1)
        self._slots += 1

    def is_known(self) -> None:
        """Leave the share of unknown keys, once the key is verified."""
        if not self._is_known:
            self._give_back_class()
            self._is_known = True

    def end(self) -> None:
        """Return everything, once.

        A stream does so when it begins, since it has bounds of its own.
        """
        if not self._is_known:
            self._give_back_class()
        self._admission.bytes.give_back(self._client, self._bytes)
        self._all_slots.give_back(self._client, self._slots)
        self._bytes = self._slots = 0

    def _take(self, all: Share, of_class: Share | None, amount: int) -> None:
        if not all.take(self._client, amount):
            raise _overload_error("this process has as many requests as it can serve in time")
        if of_class is not None and not self._is_known and not of_class.take(self._client, amount):
            all.give_back(self._client, amount)
            raise _overload_error(self._excess)

    def _give_back_class(self) -> None:
        self._class_bytes.give_back(self._client, self._bytes)
        if self._class_slots is not None:
            self._class_slots.give_back(self._client, self._slots)


def _replay_body(body: bytes, receive: Receive) -> Receive:
    """Return how the application reads a gathered body."""
    is_read = False

    async def read() -> Message:
        nonlocal is_read
        if is_read:
            # The only message after the body is that the client is gone.
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return read


async def _gather_body(request: Request, receive: Receive, visit: Visit, limit: int, *, is_known: bool) -> bytes:
    """Read the body; raise an error for one that is too large, slow or broken off."""
    declared = request.headers.get("content-length", "")
    if len(declared) > 18 or (declared.isdecimal() and int(declared) > limit):
        raise body_too_large(limit, is_known=is_known)
    began = asyncio.get_running_loop().time()
    body = bytearray()
    while True:
        if getattr(request.state, "is_received", False):
            message = await receive()
        else:
            message = await _receive_in_time(receive, began + BODY_SECONDS + len(body) / MIN_BYTES_A_SECOND)
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        if len(body) + len(chunk) > limit:
            raise body_too_large(limit, is_known=is_known)
        visit.hold(len(chunk))
        if not message.get("more_body", False):
            # A body that arrives at once is passed on unchanged.
            return bytes(body) + chunk if body else chunk
        body += chunk


async def _receive_in_time(receive: Receive, deadline: float) -> Message:
    try:
        async with asyncio.timeout_at(deadline):
            return await receive()
    except TimeoutError as error:
        raise RequestTimeoutError(
            f"the body did not arrive within {BODY_SECONDS:.0f} s, and 1 s more for each {MIN_BYTES_A_SECOND:,} B"
        ) from error


async def _unread() -> Message:
    raise auth.wrong_key()


def _overload_error(why: str) -> OverloadedError:
    retry_after = randint(SOONEST, LATEST)  # noqa: S311 - not a secret
    return OverloadedError(f"{why}; the same request may be sent again", retry_after=retry_after)
