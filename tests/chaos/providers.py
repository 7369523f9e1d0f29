"""The receiver of webhooks, which honours idempotency keys, and an SMTP server, which does not; what both log.

Each has a mode, which a fault sets, and a log of all that was handed to it, whatever it made of that.
"""

import asyncio
import json
import re
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes, policy
from time import monotonic
from typing import Literal

from aiosmtpd.smtp import SMTP, Envelope, Session

from runtime.embedded.ports import LOOPBACK, get_port, listen

HookMode = Literal["well", "hangs", "429", "500", "resets", "drops"]
MailMode = Literal["well", "4xx", "drops", "hangs"]
# What came of a hand-over: it was done; its key had been done before, so that nothing was; it was not done, and the
# answer said so ("refused") or did not ("none").
Effect = Literal["done", "again", "refused", "none"]
# As the ledger names them. Only `http` and `keyed` know a message that comes again.
ProviderName = Literal["http", "relay", "keyless", "keyed"]
# A provider that asks for patience asks for so many seconds.
RETRY_AFTER = 1
TOO_MANY = f"429 Too Many Requests\r\nRetry-After: {RETRY_AFTER}"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One hand-over of a message, at an instant of this process's monotonic clock."""

    at: float
    provider: ProviderName
    message_id: str
    campaign: str
    user: str
    ref: str
    effect: Effect

    @property
    def channel(self) -> Literal["webhook", "email"]:
        return "webhook" if self.provider == "http" else "email"


class Log:
    """What arrived, and who waits for something of it."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self._waiting: dict[str, asyncio.Future[float]] = {}

    def add(self, arrival: Arrival) -> None:
        self.arrivals.append(arrival)
        waiting = self._waiting.get(arrival.ref)
        if waiting is not None and arrival.effect == "done" and not waiting.done():
            waiting.set_result(arrival.at)

    def wait_for(self, ref: str) -> asyncio.Future[float]:
        """When the first message of this ref has been done."""
        return self._waiting.setdefault(ref, asyncio.get_running_loop().create_future())


class HttpServer:
    """Takes one POST a connection at `url`; a subclass answers it."""

    def __init__(self) -> None:
        self.url = ""
        self._lifted = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        bound = listen(None)
        self.url = f"http://{LOOPBACK}:{get_port(bound)}"
        self._server = await asyncio.start_server(self._connected, sock=bound)

    async def stop(self) -> None:
        self.lift()
        if self._server is not None:
            self._server.close()
            for writer in list(self._open):
                writer.transport.abort()
            await self._server.wait_closed()

    def lift(self) -> None:
        """Answer whoever hung."""
        self._lifted.set()
        self._lifted = asyncio.Event()

    async def hang(self) -> None:
        """Wait until that is lifted."""
        await self._lifted.wait()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                body = await reader.readexactly(int(find_header(head, "content-length")))
                await self.answer(head, body, writer)
        finally:
            self._open.discard(writer)
            writer.close()

    async def answer(self, head: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        """Answer a request, by `reply` or `reset`."""
        raise NotImplementedError


class HookProvider(HttpServer):
    """Takes webhooks. What it has done under a key it does not do again, and answers as if it had.

    A key that comes with another content it refuses for good, also where it could not do the first:
    https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/.
    """

    def __init__(self, log: Log) -> None:
        super().__init__()
        self.mode: HookMode = "well"
        # Whether somebody has called since it last turned.
        self.has_met = asyncio.Event()
        self.log = log
        self._done: set[str] = set()
        self._bodies: dict[str, bytes] = {}

    def turn(self, mode: HookMode) -> None:
        """Behave so from now on. Whoever hung is answered."""
        self.mode = mode
        self.has_met.clear()
        self.lift()

    async def answer(self, head: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        self.has_met.set()
        key = find_header(head, "idempotency-key")
        if self._bodies.setdefault(key, body) != body:
            await reply(writer, "422 Unprocessable Content")
            return
        data: dict[str, str] = json.loads(body)["data"]

        def arrived(effect: Effect) -> None:
            self.log.add(Arrival(at, "http", key, data["campaign"], data["user"], data["ref"], effect))

        at = monotonic()
        match self.mode:
            case "429":
                arrived("refused")
                await reply(writer, TOO_MANY)
                return
            case "500":
                arrived("none")
                await reply(writer, "500 Internal Server Error")
                return
            case "resets":
                arrived("none")
                reset(writer)
                return
            case "hangs":
                # It works on it meanwhile, and has done it once it answers, whoever still listens by then.
                await self.hang()
        effect: Effect = "again" if key in self._done else "done"
        self._done.add(key)
        arrived(effect)
        if self.mode == "drops":
            reset(writer)
        else:
            await reply(writer, "200 OK")


class MailProvider:
    """Takes mail on `port`. It delivers whatever it has said yes to, as often as it is handed over."""

    def __init__(self, log: Log) -> None:
        self.mode: MailMode = "well"
        self.port = 0
        self.log = log
        self._lifted = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._sessions: set[_Session] = set()

    async def start(self) -> None:
        bound = listen(None)
        self.port = get_port(bound)
        self._server = await asyncio.get_running_loop().create_server(lambda: _Session(self), sock=bound)

    async def stop(self) -> None:
        self.turn("well")
        if self._server is not None:
            self._server.close()
            for session in list(self._sessions):
                session.abort()
            await self._server.wait_closed()

    def turn(self, mode: MailMode) -> None:
        """Behave so from now on. Whoever hung is answered."""
        self.mode = mode
        self._lifted.set()
        self._lifted = asyncio.Event()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.mode == "4xx":
            return "451 4.3.2 try again later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: "_Session", session: Session, envelope: Envelope) -> str:
        at = monotonic()
        mail = message_from_bytes(envelope.original_content or b"", policy=policy.SMTP)
        campaign, user, ref = str(mail["Subject"]).split()
        # It is the server's from the final dot on, whatever becomes of its answer.
        self.log.add(Arrival(at, "relay", str(mail["X-Sojourn-Message"]), campaign, user, ref, "done"))
        if self.mode == "hangs":
            await self._lifted.wait()
        elif self.mode == "drops":
            server.abort()
        return "250 2.0.0 OK"


class _Session(SMTP):
    """One connection, known to its server so that it can be cut."""

    def __init__(self, provider: MailProvider) -> None:
        super().__init__(provider, hostname="localhost", loop=asyncio.get_running_loop())
        self._sessions = provider._sessions

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._sessions.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._sessions.discard(self)

    def abort(self) -> None:
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()


def find_header(head: str, name: str) -> str:
    """The value of a header. Raises ValueError without it."""
    found = re.search(rf"^{name}:\s*(.*?)\s*$", head, re.IGNORECASE | re.MULTILINE)
    if found is None:
        raise ValueError(f"a request without {name}")
    return found[1]


async def reply(writer: asyncio.StreamWriter, status: str, body: str = "") -> None:
    """Answer with this status and this JSON."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close"
    writer.write(f"{head}\r\n\r\n{body}".encode())
    await writer.drain()


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection by RST, as a machine does that has forgotten it."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
