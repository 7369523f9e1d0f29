"""Connections to a mail server, each for many mails one after another."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from aiosmtplib import SMTP, SMTPException

# Mail servers wait for five minutes (RFC 5321, 4.5.3.2.7), many of them for less.
IDLE_SECONDS: Final = 20.0
# Servers count the mails of a connection; a hundred is a usual limit.
MAX_MAILS: Final = 100


@dataclass(slots=True)
class SmtpConnection:
    """A connection to the server. `mails` counts those begun on it.

    After a refusal the mail before must be reset, if it `needs_reset`. `idle_since` is by the clock of the event loop,
    in seconds.
    """

    smtp: SMTP
    mails: int = 0
    needs_reset: bool = False
    idle_since: float = 0.0

    @property
    def is_kept(self) -> bool:
        """Whether an earlier mail went by it, so that the server may have closed it since."""
        return self.mails > 1

    def quit(self) -> None:
        """Say goodbye between two mails, without waiting for an answer, and close."""
        if self.smtp.protocol is not None:
            # The server may have gone: there is nothing to lose.
            with suppress(SMTPException, OSError):
                self.smtp.protocol.write(b"QUIT\r\n")
        self.smtp.close()


class SmtpConnections:
    """Idle connections, which are closed after a while; the latest is used first."""

    def __init__(self, create: Callable[[], SMTP]) -> None:
        self._create = create
        self._idle: deque[SmtpConnection] = deque()
        self._expiry: asyncio.TimerHandle | None = None

    def take(self) -> SmtpConnection:
        """Return a connection for a mail: an idle one, or one that is yet to be opened."""
        connection = self._idle.pop() if self._idle else SmtpConnection(self._create())
        connection.mails += 1
        return connection

    def give_back(self, connection: SmtpConnection) -> None:
        """Keep a connection whose mail has its answer."""
        if connection.mails >= MAX_MAILS:
            connection.quit()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._expiry is None:
            self._expiry = loop.call_later(IDLE_SECONDS, self._expire)

    def close(self) -> None:
        """Close the idle connections."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        while self._idle:
            self._idle.pop().quit()

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        while self._idle and self._idle[0].idle_since + IDLE_SECONDS <= loop.time():
            self._idle.popleft().quit()
        self._expiry = loop.call_at(self._idle[0].idle_since + IDLE_SECONDS, self._expire) if self._idle else None
