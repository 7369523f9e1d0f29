"""Real servers on loopback that answer, refuse, fall silent or hang up exactly where a test says."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

CERTIFICATE = Path(__file__).with_name("localhost.pem")

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HANG_UP = "hang up"
SILENCE = "silence"
# Silence for longer than anybody waits; it takes no time.
TIME_OUT = "time out"


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def trusting_tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(CERTIFICATE))


_ahead = 0.0


def let_time_pass(seconds: float = 3_600.0) -> None:
    """Put the event loop's clock forward, for good: timeouts expire that have begun, however busy it is."""
    global _ahead
    _ahead += seconds
    asyncio.get_running_loop().time = lambda: monotonic() + _ahead  # type: ignore[method-assign]


async def fall_silent(reply: object = SILENCE) -> None:
    """Never return; for TIME_OUT, until the caller's patience is at its end."""
    while reply == TIME_OUT:
        let_time_pass()
        # The caller may only begin to wait.
        await asyncio.sleep(0.01)
    await asyncio.Event().wait()


@asynccontextmanager
async def listening(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server whose connections are cut when the test is over. Yields its port."""
    talks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await talk(reader, writer)
        finally:
            writer.transport.abort()
            talks.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls, limit=2**20)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await server.wait_closed()


@dataclass
class Mailbox:
    """An aiosmtpd handler that keeps what it takes, and refuses where `replies` says: MAIL, RCPT or DATA."""

    replies: Mapping[str, str] = field(default_factory=dict)
    taken: list[Envelope] = field(default_factory=list)

    async def handle_MAIL(self, _: SMTP, __: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.replies.get("MAIL", "250 OK")

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        reply = self.replies.get("RCPT", "250 OK")
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:
        reply = self.replies.get("DATA", "250 2.0.0 Ok: queued as 4F2AB")
        if reply.startswith("2"):
            self.taken.append(envelope)
        return reply


@asynccontextmanager
async def smtp_server(mailbox: Mailbox, *, implicit_tls: bool = False, **options: Any) -> AsyncIterator[int]:
    """aiosmtpd around this mailbox. Yields its port."""
    loop = asyncio.get_running_loop()
    sessions: list[SMTP] = []

    def session() -> SMTP:
        sessions.append(SMTP(mailbox, hostname="localhost", loop=loop, **options))
        return sessions[-1]

    server = await loop.create_server(session, "127.0.0.1", 0, ssl=server_tls() if implicit_tls else None)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for smtp in sessions:
            if isinstance(smtp.transport, asyncio.WriteTransport):
                smtp.transport.abort()
        dialogues = [smtp._handler_coroutine for smtp in sessions if smtp._handler_coroutine is not None]
        for dialogue in dialogues:
            dialogue.cancel()
        await asyncio.gather(*dialogues, return_exceptions=True)
        await server.wait_closed()


def scripted_smtp(**script: str) -> Talk:
    """SMTP that follows a script: what to reply to CONNECT, EHLO, AUTH, MAIL, RCPT, DATA, BODY (while the message
    comes) and DOT (once it is there). HANG_UP, SILENCE and TIME_OUT are replies too."""

    async def say(writer: asyncio.StreamWriter, moment: str, usual: str) -> bool:
        reply = script.get(moment, usual)
        if reply in (SILENCE, TIME_OUT):
            await fall_silent(reply)
        if reply == HANG_UP:
            return False
        writer.write(reply.encode() + b"\r\n")
        await writer.drain()
        return True

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        usual = {"EHLO": "250-localhost\r\n250 AUTH PLAIN", "HELO": "250 localhost", "DATA": "354 go on"}
        if "BODY" in script:
            # What the kernel takes does not grow, so that a message of a megabyte waits for whoever reads it.
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        if not await say(writer, "CONNECT", "220 localhost"):
            return
        while line := await reader.readline():
            verb = line.split()[0].decode().upper()
            if verb == "QUIT" or not await say(writer, verb, usual.get(verb, "250 OK")):
                return
            if verb == "DATA" and script.get("DATA", "354").startswith("354"):
                if "BODY" in script:
                    await reader.readexactly(1000)
                    if not await say(writer, "BODY", ""):
                        return
                await reader.readuntil(b"\r\n.\r\n")
                if not await say(writer, "DOT", "250 2.0.0 Ok"):
                    return

    return talk


@dataclass
class Request:
    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """HTTP that keeps each request and answers it with `reply`, or with HANG_UP, SILENCE or TIME_OUT instead.

    An answer takes so many `seconds` of the event loop's clock.
    """

    reply: bytes | str = b"HTTP/1.1 204 No Content\r\n\r\n"
    requests: list[Request] = field(default_factory=list)
    seconds: float = 0.0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *fields = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (item.partition(":") for item in fields)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append(Request(line, headers, body))
        if self.seconds:
            let_time_pass(self.seconds)
            # Whoever has waited for too long is told first.
            await asyncio.sleep(0.01)
        if self.reply in (SILENCE, TIME_OUT):
            await fall_silent(self.reply)
        if isinstance(self.reply, bytes):
            writer.write(self.reply)
            await writer.drain()


@dataclass
class Service(Receiver):
    """HTTP whose replies go by the beginning of the request line, the longest first: `GET /v1/users`."""

    replies: dict[str, bytes | str] = field(default_factory=dict)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line = head.decode("latin-1")
        known = [start for start in self.replies if line.startswith(start)]
        self.reply = self.replies[max(known, key=len)] if known else answer(404, b"{}")
        length = re.search(r"(?i)\r\ncontent-length: *([0-9]+)", line)
        again = asyncio.StreamReader()
        again.feed_data(head + await reader.readexactly(int(length[1]) if length else 0))
        await super().talk(again, writer)


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """An HTTP reply with this status."""
    fields = {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode() + body
