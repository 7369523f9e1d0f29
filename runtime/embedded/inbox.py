"""An inbox for development, demo and tests: a real SMTP server, and a page.

Nothing leaves the machine. Messages of other channels come by HTTP, from the provider `console`.
"""

import asyncio
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from aiosmtpd.smtp import SMTP, Envelope, Session

from runtime.embedded.http import HttpServer
from runtime.embedded.inbox_page import FindOrigins, inbox_page
from runtime.embedded.inbox_reactions import InboxRecipient
from runtime.embedded.inbox_store import InboxStore, parse_mail
from runtime.embedded.mail import ReceivedMail
from runtime.embedded.ports import get_port, listen

__all__ = ["Inbox", "ReceivedMail"]

MAX_BYTES = 1 << 20  # of one mail


class Inbox:
    """A running inbox on loopback: SMTP without authentication or TLS, and a page.

    SMTP is on `smtp_port`; once shown, the page is at `url`. It keeps the last 1,000 messages, in a folder if one is
    given. A recipient in `greylist` is answered 451 and one in `refuse` 550 while the address, in lower case, is in the
    set.
    """

    smtp_port: int
    http_port: int
    url: str

    def __init__(self, folder: Path | None = None) -> None:
        self._store = InboxStore(folder)
        self.greylist: set[str] = set()
        self.refuse: set[str] = set()
        self._arrived = asyncio.Condition()
        self._sessions: set[_Session] = set()
        self._smtp: asyncio.Server | None = None
        self._page: HttpServer | None = None

    @classmethod
    async def start(cls, smtp_port: int | None = None, *, folder: Path | None = None) -> Self:
        """Start an inbox, on a free port if necessary; `folder` keeps messages.

        The messages stay there between runs.
        """
        inbox = cls(folder)
        bound = listen(smtp_port)
        inbox.smtp_port = get_port(bound)
        inbox._smtp = await asyncio.get_running_loop().create_server(lambda: _Session(inbox), sock=bound)
        return inbox

    @property
    def messages(self) -> list[ReceivedMail]:
        """The mails, oldest first."""
        return [item for item in self._store.items if isinstance(item, ReceivedMail)]

    async def show(
        self,
        bound: socket.socket | None = None,
        find_origins: FindOrigins | None = None,
        journey_url: str = "",
        setup: str = "",
        recipient: InboxRecipient | None = None,
    ) -> None:
        """Serve the page as well, by default on a free port.

        `find_origins` looks up where messages come from; `journey_url` leads to a `{workflow_id}` in the Temporal UI;
        `setup` is the line that a new terminal needs before commands; `recipient` reacts to messages.
        """
        page = inbox_page(self._store, find_origins, journey_url, setup, recipient)
        self._page = await HttpServer.start(page, bound or listen(None))
        self.http_port, self.url = self._page.port, self._page.url

    async def stop(self) -> None:
        """Close the ports and cut what is connected. The mails stay in `messages`."""
        if self._page is not None:
            await self._page.stop()
        if self._smtp is not None:
            self._smtp.close()
            for session in list(self._sessions):
                await session.cut()
            await self._smtp.wait_closed()

    async def wait_for(
        self,
        wanted: int | Callable[[ReceivedMail], bool],
        timeout: float,  # noqa: ASYNC109 so that the error can say what is here instead
    ) -> list[ReceivedMail]:
        """Wait for `wanted` mails (1 or more), or for one that fulfils `wanted`.

        At most for `timeout` seconds.

        Returns:
            All mails for a number, else the ones that fulfil it, oldest first.

        Raises:
            TimeoutError: says what is here instead.
        """

        def found() -> list[ReceivedMail]:
            if isinstance(wanted, int):
                return self.messages[:] if len(self.messages) >= wanted else []
            return [mail for mail in self.messages if wanted(mail)]

        async with self._arrived:
            try:
                async with asyncio.timeout(timeout):
                    await self._arrived.wait_for(found)
            except TimeoutError:
                raise TimeoutError(f"the mail waited for did not come; here are {self.messages}") from None
            return found()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.lower() in self.refuse:
            return f"550 5.1.1 <{address}>: no such mailbox"
        if address.lower() in self.greylist:
            return f"451 4.7.1 <{address}>: greylisted, try again later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        sender, recipients, source = envelope.mail_from or "", envelope.rcpt_tos, envelope.original_content or b""
        async with self._arrived:
            mail = self._store.add(lambda number: parse_mail(number, sender, recipients, datetime.now(UTC), source))
            self._arrived.notify_all()
        return f"250 2.0.0 OK, mail {mail.number}"


class _Session(SMTP):
    """One connection, known to its inbox so that it can be cut."""

    def __init__(self, inbox: Inbox) -> None:
        super().__init__(
            inbox,
            data_size_limit=MAX_BYTES,
            enable_SMTPUTF8=True,
            hostname="localhost",
            loop=asyncio.get_running_loop(),
        )
        self._inbox = inbox
        self.is_over = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._inbox._sessions.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._inbox._sessions.discard(self)
        self.is_over.set()

    async def cut(self) -> None:
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()
        await self.is_over.wait()
