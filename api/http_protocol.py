"""HTTP/1.1 with bounds on connections, heads and the time of each part.

uvicorn's own protocol has no such bounds, so one connection could fill the memory of the process. Once its head is
read, a request belongs to the application, which bounds its body (api/admission.py).
"""

import asyncio
from collections.abc import Iterator
from typing import Any, ClassVar, Final

import httptools
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.client_address import network_of
from api.problems import answer
from domain.errors import HeadersTooLargeError, InvalidRequestError, OverloadedError, SojournError

# For a head, including its request line; browsers send 2 kB, with the cookies of a whole domain perhaps 16.
MAX_HEAD_BYTES: Final = 32 * 1024
MAX_HEADERS: Final = 100
# Pipelined requests on one connection. Few clients pipeline at all.
MAX_PIPELINED: Final = 8
# For a head, from its first byte, or from the opening of the connection. Seconds.
HEAD_SECONDS: Final = 10.0
# Longer than clients and load balancers keep an idle connection, so that they close it. Seconds.
KEEP_ALIVE_SECONDS: Final = 75
# For an answer that the client reads too slowly, while a part of it is unsent. Seconds.
ANSWER_SECONDS: Final = 60.0
# How long input after a refusal is read and dropped: closing a connection with unread bytes would lose the answer.
# Seconds.
LINGER_SECONDS: Final = 5.0
# The interval of checks of the connections. Seconds.
SWEEP_SECONDS: Final = 1.0
# Bytes of chunk framing allowed for each byte of a body; a client that sends single bytes needs 5.
_FRAMING: Final = 8


class Connections:
    """The connections of one server. At the limit, a new one replaces one that waits.

    The replaced one belongs to the address with the most connections, so that an address that opens many only harms
    itself.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._of_address: dict[str, dict[BoundedProtocol, None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: "BoundedProtocol") -> bool:
        """Add a connection; return False if there is no room."""
        if self._count >= self._most and not self._make_room():
            return False
        self._count += 1
        self._of_address.setdefault(connection.address, {})[connection] = None
        if self._timer is None:
            self._timer = connection.loop.call_later(SWEEP_SECONDS, self._sweep, connection.loop)
        return True

    def discard(self, connection: "BoundedProtocol") -> None:
        """Forget a connection, if it is known."""
        of_address = self._of_address.get(connection.address, {})
        if connection in of_address:
            del of_address[connection]
            self._count -= 1
            if not of_address:
                del self._of_address[connection.address]

    def __iter__(self) -> "Iterator[BoundedProtocol]":
        return (connection for of_address in self._of_address.values() for connection in of_address)

    def _make_room(self) -> bool:
        most = max(self._of_address.values(), key=len)
        # In the order of their opening.
        waiting = next((connection for connection in most if connection.is_waiting), None)
        if waiting is None:
            return False
        self.discard(waiting)
        waiting.transport.abort()
        return True

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self):
            connection.expire(now)
        self._timer = loop.call_later(SWEEP_SECONDS, self._sweep, loop) if self._count else None


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `protocol(most)` creates the class for a server."""

    table: ClassVar[Connections]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.address = ""
        self._is_in_head = False
        # Reading has ended: pending requests are answered, then the connection closes.
        self._is_leaving = False
        self._head_bytes = 0
        self._headers = 0
        # Bytes besides those of bodies, since the last head or message was complete.
        self._overhead = 0
        self._fault: SojournError | None = None
        # When the client must have sent the rest; None while nothing, or a body, is due.
        self._deadline: float | None = self.loop.time() + HEAD_SECONDS
        self._unread_since: float | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether there is no complete request to answer."""
        return not self._is_answering or (self.cycle.more_body and not self.pipeline)

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self.address = network_of(self.client[0]) if self.client else ""
        if not self.table.add(self):
            self._write(answer(OverloadedError("there are too many connections; try again", retry_after=1)))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.table.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_leaving or self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        self._overhead += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._refuse(self._fault or InvalidRequestError("this is not an HTTP/1.1 request"))
            return
        if self._overhead > MAX_HEAD_BYTES:
            self._refuse(_headers_too_large())

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # No other protocol is offered, and the parser would take the body for one: restart with a head that does
            # not request it.
            method = self.scope["method"].encode()
            headers = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
            head = b"%b %b HTTP/1.1\r\n%b\r\n" % (method, self.url, b"".join(headers))
            self.parser = httptools.HttpRequestParser(self)
            self._feed(head + data[upgrade.args[0] :])

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINED:
            # Complete requests are answered; a client repeats the rest over another connection (RFC 9112, 9.3.2).
            self._leave()
            raise ValueError("pipelined")
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = self._headers = 0
        if self.cycle is not None:
            self._deadline = self.loop.time() + HEAD_SECONDS

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers += 1
        self._count(len(name) + len(value))
        # Trailers (RFC 9110, 6.5) are dropped: they must not become headers of the request.
        if self._is_in_head:
            super().on_header(name, value)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES or self._headers > MAX_HEADERS:
            self._fault = _headers_too_large()
            raise ValueError(self._fault.detail)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            self.scope["method"] = self.parser.get_method().decode("ascii")
            if self.scope["method"] == "CONNECT":
                raise ValueError("no tunnel is offered")
            return
        super().on_headers_complete()
        self._is_in_head = False
        self._overhead = self._head_bytes = self._headers = 0
        self._deadline = None

    def on_body(self, body: bytes) -> None:
        self._overhead = max(0, self._overhead - (1 + _FRAMING) * len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        # It spares the admission a timer: most bodies are here before their request is served.
        self.scope["state"]["is_received"] = True
        self._overhead = 0
        if self.cycle.response_complete:
            self._deadline = self.loop.time() + KEEP_ALIVE_SECONDS

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_answering and not self._is_in_head:
            seconds = LINGER_SECONDS if self.cycle.more_body else KEEP_ALIVE_SECONDS
            self._deadline = self.loop.time() + seconds

    def shutdown(self) -> None:
        """Close the connection as the server stops.

        A stream ends at once, any other answer is completed.
        """
        super().shutdown()
        if self._is_answering and (end_stream := self.cycle.scope.get("state", {}).get("end_stream")) is not None:
            end_stream()

    def expire(self, now: float) -> None:
        """Close the connection if the client has missed a deadline."""
        if self.transport.get_write_buffer_size() == 0:
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        elif now - self._unread_since > ANSWER_SECONDS:
            self.transport.abort()
            return
        if self._deadline is None or now < self._deadline:
            return
        if self._is_leaving:
            self.transport.abort()
        elif self._is_answering:
            self._leave()
        else:
            self.transport.close()

    def _refuse(self, error: SojournError) -> None:
        """Answer an unreadable request after the earlier ones, and close the connection."""
        if self._is_leaving:
            return
        is_body_at_fault = self._is_answering and self.cycle.more_body and not self._is_in_head
        if is_body_at_fault:
            if self.pipeline or self.cycle.response_started:
                self.transport.abort()
                return
            self.cycle.disconnected = True
            self.cycle.response_complete = True
            self.cycle.message_event.set()
        if not self._is_answering:
            self._write(answer(error))
        self._leave()

    def _leave(self) -> None:
        self._is_leaving = True
        if self._is_answering:
            self.cycle.keep_alive = False
            self._deadline = None
        else:
            self._deadline = self.loop.time() + LINGER_SECONDS
            if self.transport.can_write_eof() and not self.transport.is_closing():
                self.transport.write_eof()

    def _write(self, response: Response) -> None:
        headers = [*self.server_state.default_headers, *response.raw_headers, (b"connection", b"close")]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(STATUS_LINE[response.status_code] + lines + b"\r\n" + bytes(response.body))


def protocol(most: int) -> type[BoundedProtocol]:
    """Create the protocol of one server with at most `most` connections."""
    return type("ServerProtocol", (BoundedProtocol,), {"table": Connections(most)})


def _headers_too_large() -> HeadersTooLargeError:
    return HeadersTooLargeError(
        f"the head of a request may have {MAX_HEAD_BYTES:,} bytes and {MAX_HEADERS} headers",
        limit=MAX_HEAD_BYTES,
        max_headers=MAX_HEADERS,
    )
