"""Listen for the mails that come back, by LMTP (RFC 2033).

A mail server hands them over, and keeps each until it is answered: 250 says that what the mail says is in force, 4xx
that it is to come again, and 5xx that its sender is told.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Final

import psycopg
import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from application.incoming_mails import IncomingMails
from domain.errors import ConflictError, SojournError

# The attachments of a reply are not read. The sender of a larger one gets a refusal.
MAX_BYTES: Final = 10 * 1024 * 1024
# Each may hold a mail of that size.
MAX_CONNECTIONS: Final = 20
# A silent client is cut off.
IDLE_SECONDS: Final = 60.0
# For the mails that are under way when it is stopped.
GRACE_SECONDS: Final = 10.0

_log = structlog.get_logger(__name__)


class LmtpListener:
    """A listener that hands mails to the use case, one recipient at a time."""

    def __init__(self, mails: IncomingMails) -> None:
        self._mails = mails
        self.sessions: set[_LmtpSession] = set()

    async def run(self, host: str, port: int, stop: asyncio.Event, ready: asyncio.Future[int] | None = None) -> None:
        """Listen until `stop`; `ready` gets the port.

        Raises ConflictError if the port is taken.
        """
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(lambda: _LmtpSession(self), host, port)
        except OSError as error:
            raise ConflictError(f"{host}:{port} cannot be listened on: {error.strerror}") from error
        bound = server.sockets[0].getsockname()[1]
        _log.info("listener started", host=host, port=bound)
        if ready is not None:
            ready.set_result(bound)
        try:
            await stop.wait()
        finally:
            server.close()
            await self._end_sessions()
            _log.info("listener stopped")

    async def _end_sessions(self) -> None:
        """Let the mails under way be answered; a server repeats those that are not."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                await asyncio.gather(*(session.end() for session in list(self.sessions)))
        for session in list(self.sessions):
            session.cut()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if envelope.rcpt_tos:
            # One answer follows the mail, for one recipient.
            return "452 4.5.3 one recipient at a time"
        if not self._mails.may_take(address):
            return "550 5.1.1 there is no such address"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        sender = "" if envelope.mail_from in (None, "<>") else envelope.mail_from
        [recipient] = envelope.rcpt_tos
        try:
            outcome = await self._mails.receive(
                envelope.original_content or b"", recipient=recipient, sender=sender, can_refuse=True
            )
        except (SojournError, psycopg.OperationalError) as error:
            _log.warning("mail deferred", error=type(error).__name__)
            return "451 4.3.0 not now: send it again later"
        except Exception:  # noqa: BLE001 -- the mail comes again
            _log.warning("failed to receive mail", exc_info=True)
            return "451 4.3.0 it cannot be taken now: send it again later"
        return "550 5.1.1 this answers no message that is known" if outcome == "refused" else "250 2.0.0 OK"


class _LmtpSession(LMTP):
    """One connection, which ends between two mails."""

    # Many mail programs ignore the limit of 998 characters.
    line_length_limit = 64 * 1024

    def __init__(self, listener: LmtpListener) -> None:
        super().__init__(
            listener,
            data_size_limit=MAX_BYTES,
            enable_SMTPUTF8=True,
            hostname=socket.gethostname(),
            ident="Sojourn",
            timeout=IDLE_SECONDS,
            loop=asyncio.get_running_loop(),
        )
        self._listener = listener
        self._is_over = asyncio.Event()
        self._is_ending = False
        self._is_busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._listener.sessions.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._listener.sessions.discard(self)
        self._is_over.set()

    async def smtp_LHLO(self, arg: str) -> None:
        if len(self._listener.sessions) > MAX_CONNECTIONS:
            await self.push("421 4.3.2 too many connections: try again later")
            self.cut()
            return
        await super().smtp_LHLO(arg)

    async def smtp_DATA(self, arg: str | None) -> None:
        self._is_busy = True
        try:
            await super().smtp_DATA(arg)
        finally:
            self._is_busy = False
            if self._is_ending:
                self.cut()

    async def end(self) -> None:
        """End after the mail that is under way, or at once."""
        self._is_ending = True
        if not self._is_busy:
            self.cut()
        await self._is_over.wait()

    def cut(self) -> None:
        """Close the connection, once what was answered has left."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.close()
