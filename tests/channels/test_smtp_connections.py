"""Mails by kept connections: fewer connections, and the same promises as by one of its own for each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from channels.email import smtp_connections
from channels.email.smtp import Smtp
from channels.email.smtp_connections import MAX_MAILS
from domain.sending.delivery import Accepted, Ambiguous, Delivery, Rejected, Unavailable
from tests.channels.messages import ADDRESS, MAIL
from tests.channels.servers import listening

CUT = "cut"


@dataclass
class Sink:
    """A mail server. `connections` has the verbs of each, and `taken` the recipients of whole mails.

    `replies` are used up by their verb, `.` for the end of data; CUT ends the connection instead.
    """

    connections: list[list[str]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    replies: dict[str, list[str]] = field(default_factory=dict)
    closed: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    addressed: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    # Mails that have begun wait until so many have.
    together: int = 0
    _begun: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        verbs: list[str] = []
        self.connections.append(verbs)
        try:
            await self._talk(reader, writer, verbs)
        finally:
            self.closed.release()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, verbs: list[str]) -> None:
        recipient = ""
        writer.write(b"220 localhost\r\n")
        while line := await reader.readline():
            verb = line.split()[0].decode().upper()
            verbs.append(verb)
            if verb == "RCPT":
                recipient = line.decode().partition("<")[2].partition(">")[0]
                await self._wait_for_others()
            if not self._answer(writer, verb, "354 go on" if verb == "DATA" else "250 Ok"):
                return
            if verb == "DATA":
                await reader.readuntil(b"\r\n.\r\n")
                self.taken.append(recipient)
                if not self._answer(writer, ".", "250 Ok"):
                    return

    async def _wait_for_others(self) -> None:
        async with self._begun:
            self.addressed.release()
            self.together -= 1
            self._begun.notify_all()
            await self._begun.wait_for(lambda: self.together <= 0)

    def _answer(self, writer: asyncio.StreamWriter, verb: str, usual: str) -> bool:
        waiting = self.replies.get(verb)
        reply = waiting.pop(0) if waiting else usual
        if reply == CUT or verb == "QUIT":
            return False
        writer.write(f"{reply}\r\n".encode())
        return True


@asynccontextmanager
async def running(sink: Sink) -> AsyncIterator[Smtp]:
    async with listening(sink.talk) as port:
        smtp = Smtp("127.0.0.1", port, security="none")
        yield smtp
        await smtp.close()


async def send(smtp: Smtp, number: int = 0) -> Delivery:
    message = replace(MAIL, message_id=f"0b9c3a52-6a0e-5b6e-9d57-{number:012d}")
    return await smtp.deliver(message, f"u{number}@example.com")


async def test_mails_one_after_another_share_a_connection() -> None:
    async with running(sink := Sink()) as smtp:
        for number in range(3):
            assert await send(smtp, number) == Accepted(None)
        assert sink.connections == [["EHLO", *3 * ["MAIL", "RCPT", "DATA"]]]
    assert sink.taken == [f"u{number}@example.com" for number in range(3)]


async def test_a_connection_ends_after_many_mails() -> None:
    async with running(sink := Sink()) as smtp:
        for number in range(MAX_MAILS + 1):
            await send(smtp, number)
        await sink.closed.acquire()
        assert [verbs.count("MAIL") for verbs in sink.connections] == [MAX_MAILS, 1]
        assert sink.connections[0][-1] == "QUIT"


async def test_mails_at_once_have_a_connection_each_and_those_after_them_none() -> None:
    async with running(sink := Sink(together=20)) as smtp:
        for _ in range(2):
            assert await asyncio.gather(*(send(smtp, number) for number in range(20))) == 20 * [Accepted(None)]
        assert len(sink.connections) == 20
    assert len(sink.taken) == 40


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("reply", [CUT, "421 4.4.2 idle for too long"])
async def test_a_mail_goes_by_another_connection_if_the_kept_one_is_gone(verb: str, reply: str) -> None:
    async with running(sink := Sink()) as smtp:
        assert await send(smtp, 1) == Accepted(None)
        sink.replies[verb] = [reply]
        assert await send(smtp, 2) == Accepted(None)
        assert len(sink.connections) == 2
    assert sink.taken == ["u1@example.com", "u2@example.com"]


async def test_a_new_connection_that_is_gone_is_the_delivery() -> None:
    async with running(sink := Sink(replies={"MAIL": [CUT]})) as smtp:
        assert isinstance(await send(smtp), Unavailable)
        assert len(sink.connections) == 1


async def test_all_kept_connections_may_be_gone() -> None:
    async with running(sink := Sink(together=5)) as smtp:
        await asyncio.gather(*(send(smtp, number) for number in range(5)))
        sink.replies["MAIL"] = 5 * [CUT]
        assert await send(smtp, 9) == Accepted(None)
        assert len(sink.connections) == 6
    assert sink.taken.count("u9@example.com") == 1


async def test_a_mail_that_was_handed_over_is_never_repeated() -> None:
    async with running(sink := Sink()) as smtp:
        await send(smtp, 1)
        sink.replies["."] = [CUT]
        assert isinstance(await send(smtp, 2), Ambiguous)
        assert sink.taken == ["u1@example.com", "u2@example.com"]
        assert await send(smtp, 3) == Accepted(None)
        assert len(sink.connections) == 2


@pytest.mark.parametrize(
    ("verb", "reply", "verbs_after"),
    [
        ("MAIL", "451 later", ["RSET", "MAIL", "RCPT", "DATA"]),
        ("RCPT", "550 no such user", ["RSET", "MAIL", "RCPT", "DATA"]),
        (".", "554 spam", ["MAIL", "RCPT", "DATA"]),
    ],
)
async def test_a_refused_mail_leaves_the_connection_to_the_next(verb: str, reply: str, verbs_after: list[str]) -> None:
    async with running(sink := Sink(replies={verb: [reply]})) as smtp:
        assert isinstance(await send(smtp, 1), (Rejected, Unavailable))
        before = len(sink.connections[0])
        assert await send(smtp, 2) == Accepted(None)
        assert [verbs[before:] for verbs in sink.connections] == [verbs_after]


@pytest.mark.parametrize(("verb", "reply"), [("MAIL", "530 log in first"), ("RCPT", "421 closing")])
async def test_a_server_that_ends_the_dialogue_is_not_asked_again_on_it(verb: str, reply: str) -> None:
    async with running(sink := Sink(replies={verb: [reply]})) as smtp:
        assert isinstance(await send(smtp, 1), Unavailable)
        assert await send(smtp, 2) == Accepted(None)
        assert len(sink.connections) == 2


async def test_a_refused_reset_costs_the_connection_alone() -> None:
    async with running(sink := Sink(replies={"RCPT": ["550 no"], "RSET": ["502 what"]})) as smtp:
        await send(smtp, 1)
        assert await send(smtp, 2) == Accepted(None)
        assert len(sink.connections) == 2


async def test_idle_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_connections, "IDLE_SECONDS", 0.0)
    async with running(sink := Sink(together=3)) as smtp:
        await asyncio.gather(*(send(smtp, number) for number in range(3)))
        for _ in range(3):
            await sink.closed.acquire()
        assert [verbs[-1] for verbs in sink.connections] == 3 * ["QUIT"]
        assert await send(smtp) == Accepted(None)


async def test_a_cancelled_mail_ends_its_connection() -> None:
    async with running(sink := Sink(together=2)) as smtp:
        sending = asyncio.create_task(send(smtp, 1))
        await sink.addressed.acquire()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert await send(smtp, 2) == Accepted(None)
        assert len(sink.connections) == 2
    assert sink.taken == ["u2@example.com"]
    assert "QUIT" not in sink.connections[0]
    assert ADDRESS not in sink.taken
