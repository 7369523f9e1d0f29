"""Mails handed over by LMTP to a listener, as a mail server does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from smtplib import LMTP, SMTPDataError, SMTPRecipientsRefused, SMTPSenderRefused
from typing import Any
from uuid import UUID

import pytest

import wiring
from domain.sending.receiving import MailPurpose, ReceivingDomain
from runtime.embedded.mail import ReceivedMail
from runtime.lmtp import LmtpListener
from tests.generated import LINK_SECRET
from tests.harness import PATIENCE, Harness, open_harness
from tests.servers import TemporalServer

DOMAIN = ReceivingDomain("mail.example.com", (LINK_SECRET,))
ANSWERED = """
key: answered
name: Answered
entry: {event: Signed Up}
exit: [{event: Email Replied, where: event.properties.campaign == "answered"}]
replies: {forward_to: sales@example.com, owner: owner_email}
steps:
  - {id: hello, send: {channel: email, template: note}}
  - {id: rest, delay: 30d}
"""


@pytest.fixture
async def harness(database_url: str, temporal: TemporalServer) -> AsyncIterator[Harness]:
    async with open_harness(
        database_url, temporal, reply_domain=DOMAIN.name, smtp_return_domain="bounces.example.com"
    ) as opened:
        yield opened


@asynccontextmanager
async def listening(harness: Harness) -> AsyncIterator[int]:
    """A listener as a process of its own has it. Yields its port."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with wiring.services(harness.settings) as services:
        running = asyncio.create_task(LmtpListener(services.incoming_mails).run("127.0.0.1", 0, stop, ready))
        try:
            yield await ready
        finally:
            stop.set()
            await running


@pytest.fixture
async def port(harness: Harness) -> AsyncIterator[int]:
    async with listening(harness) as port:
        yield port


async def hand_over(port: int, body: bytes, recipient: str, sender: str = "ada@example.net") -> int:
    """The answer to a mail; a mail server repeats it for 4xx, and tells the sender of 5xx."""

    def talk() -> int:
        with LMTP("127.0.0.1", port, timeout=PATIENCE) as client:
            try:
                client.sendmail(sender, [recipient], body)
            except SMTPRecipientsRefused as refusal:
                return refusal.recipients[recipient][0]
            except (SMTPDataError, SMTPSenderRefused) as refusal:
                return int(refusal.smtp_code)
        return 250

    return await asyncio.to_thread(talk)


def address(purpose: MailPurpose, message: UUID) -> str:
    return DOMAIN.address(purpose, message)


async def sent(harness: Harness, user: str = "u1", **traits: Any) -> tuple[UUID, ReceivedMail]:
    """A message of the campaign `answered`, as it came to the person."""
    await harness.identify(user, email=f"{user}@example.com", consent={"email": True}, **traits)
    await harness.track(user, "Signed Up")
    [mail] = await harness.inbox.wait_for(lambda one: f"{user}@example.com" in one.recipients, PATIENCE)
    [row] = await harness.messages.until(user_id=user, state="sent")
    return row["id"], mail
