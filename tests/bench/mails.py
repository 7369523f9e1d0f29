"""Mails by SMTP to a server on this machine, beside their bytes ready made on connections as many."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from channels.email.smtp import Smtp, build
from domain.people.addresses import parse_email
from domain.sending.delivery import Accepted, Outbound
from tests.bench.measure import Result, beside, in_turns
from tests.bench.stack import ROOT, Stack

MAILS, ROUNDS, AT_ONCE = 5_000, 5, 50
PARAGRAPH = "<p>Hello, we have kept what you put into your cart, and a few things that go with it.</p>\n"
MAIL = Outbound(
    message_id="",
    content={
        "from": "Example Shop <hello@shop.example.com>",
        "reply_to": None,
        "subject": "Grüße, your cart is waiting",
        "text": PARAGRAPH,
        "html": PARAGRAPH * 60,
    },
    at=datetime(2026, 11, 2, 10, 30, tzinfo=UTC),
    unsubscribe_url="https://example.com/u/" + "t" * 200,
)


async def measure(stack: Stack) -> list[Result]:
    count = stack.count(MAILS, 60)
    async with _sink() as port:
        smtp = Smtp("127.0.0.1", port, security="none")

        async def delivered(_: int) -> float:
            mails = iter(range(count))

            async def deliver() -> None:
                for number in mails:
                    delivery = await smtp.deliver(replace(MAIL, message_id=_id(number)), _address(number))
                    if not isinstance(delivery, Accepted):
                        raise TypeError(f"a mail was not accepted: {delivery}")

            return await _rate(deliver, count)

        async def written(_: int) -> float:
            dialogues = _dialogues(count)
            return await _rate(lambda: _write(port, dialogues), count)

        found = await in_turns([written, delivered], stack.count(ROUNDS))
        await smtp.close()
    size = len(_payload(0)) / 1_000
    return [beside("mails", [(figure, floor) for floor, figure in found], f"{AT_ONCE} at once, of {size:.0f} kB each")]


async def _rate(task: Callable[[], Awaitable[None]], count: int) -> float:
    began = time.monotonic()
    await asyncio.gather(*(task() for _ in range(AT_ONCE)))
    return count / (time.monotonic() - began)


def _dialogues(count: int) -> Iterator[Sequence[bytes]]:
    """The commands of each mail, the bytes of the mail last."""
    return iter(
        [
            (
                b"MAIL FROM:<hello@shop.example.com>\r\n",
                f"RCPT TO:<{_address(number)}>\r\n".encode(),
                b"DATA\r\n",
                _payload(number) + b".\r\n",
            )
            for number in range(count)
        ]
    )


async def _write(port: int, dialogues: Iterator[Sequence[bytes]]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    for commands in dialogues:
        for command in commands:
            writer.write(command)
            await reader.readline()
    writer.close()


def _payload(number: int) -> bytes:
    recipient = parse_email(_address(number))
    assert recipient is not None
    return build(replace(MAIL, message_id=_id(number)), recipient).payload


def _id(number: int) -> str:
    return f"0b9c3a52-6a0e-5b6e-9d57-{number:012d}"


def _address(number: int) -> str:
    return f"user-{number}@example.com"


@asynccontextmanager
async def _sink() -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.mail_sink", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()
