"""What becomes of a message when an attempt to send it dies, repeats, or runs beside another."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from application.catalogue import Catalogue
from application.gate import Gate, Question
from application.send import Sender, SendOutcome
from domain.errors import UnavailableError
from domain.sending.delivery import Accepted, Ambiguous, Delivery, Outbound
from domain.sending.policy import Granted
from store.database import Database
from tests.rig import Rig

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)

# The delay keeps the journey's own workflow away: the attempts below are the only ones.
WAITING = """
key: waiting
name: Waiting
entry: {event: Signed Up}
exit: [{event: Account Closed}]
steps:
  - {id: later, delay: 300d}
  - {id: note, send: {channel: CHANNEL, template: note, category: CATEGORY}}
"""


@dataclass
class Provider:
    """A channel that answers as it is told to, behind the boundary that every channel has; it keeps what it got."""

    name: str
    honours_idempotency_key: bool
    answers: list[Delivery | asyncio.Event] = field(default_factory=list)
    got: list[str] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def deliver(self, message: Outbound) -> Delivery:
        self.got.append(message.message_id)
        self.reached.set()
        answer = self.answers.pop(0) if self.answers else Accepted(None)
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            return Accepted(None)
        return answer


@dataclass
class Bench:
    """A granted message and the means to send it."""

    rig: Rig
    sender: Sender
    provider: Provider
    message_id: UUID

    async def attempt(self) -> SendOutcome:
        return await self.sender.send(self.message_id, at=AT, ends_with="completed")

    async def state(self) -> tuple[Any, ...]:
        [row] = await self.rig.query("SELECT state, reason FROM messages WHERE id = %s", self.message_id)
        return row["state"], row["reason"]


WEBHOOK = "---\nchannel: webhook\nurl: https://crm.example.com/hook\n---\nuser: '{{ profile.user_id }}'\n"


@pytest.fixture
async def bench(rig: Rig, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """Parametrised by (channel, category)."""
    channel, category = request.param
    source = WAITING.replace("CHANNEL", channel).replace("CATEGORY", category)
    await rig.run_campaign(source, {"note.liquid": WEBHOOK} if channel == "webhook" else None)
    await rig.identify("u1", email="u1@example.com")
    await rig.track("u1", "Signed Up")
    [journey] = await rig.query("SELECT id FROM journeys")
    async with Database(rig.settings.database_url.get_secret_value(), pool_size=30) as database:
        catalogue = Catalogue()
        answer = await Gate(database, catalogue).authorise(Question(journey["id"], "note", 1, 1, AT, AT, None))
        assert isinstance(answer, Granted)
        provider = Provider(channel, honours_idempotency_key=channel == "webhook")
        sender = Sender(database, catalogue, {channel: provider}, lambda *_: "https://example.com/u")
        yield Bench(rig, sender, provider, UUID(answer.message_id))


EMAIL, URGENT, HOOK = ("email", "marketing"), ("email", "transactional"), ("webhook", "marketing")
each = pytest.mark.parametrize


async def die_after_the_hand_over(bench: Bench) -> None:
    """An attempt that is gone once the provider has the message, and before its answer is written."""
    bench.provider.answers = [asyncio.Event()]
    attempt = asyncio.create_task(bench.attempt())
    await bench.provider.reached.wait()
    attempt.cancel()
    await asyncio.gather(attempt, return_exceptions=True)
    assert await bench.state() == ("sending", None)


@each("bench", [EMAIL], indirect=True)
async def test_twenty_attempts_at_once_hand_over_once(bench: Bench) -> None:
    await asyncio.gather(*(bench.attempt() for _ in range(20)))
    assert len(bench.provider.got) == 1
    assert await bench.state() == ("sent", None)


@each("bench", [EMAIL], indirect=True)
async def test_a_marketing_mail_whose_attempt_died_is_not_repeated(bench: Bench) -> None:
    await die_after_the_hand_over(bench)
    assert await bench.attempt() == SendOutcome("unknown", journey_ended=False)
    assert await bench.state() == ("unknown", "attempt_died")
    assert len(bench.provider.got) == 1
    assert await bench.attempt() == SendOutcome("unknown", journey_ended=False)


@each(("bench", "handed_over"), [(URGENT, 2), (HOOK, 2)], indirect=["bench"])
async def test_what_may_be_repeated_is_repeated_under_the_same_id(bench: Bench, handed_over: int) -> None:
    await die_after_the_hand_over(bench)
    assert await bench.attempt() == SendOutcome("sent", journey_ended=False)
    assert bench.provider.got == [str(bench.message_id)] * handed_over


@each("bench", [URGENT, HOOK], indirect=True)
async def test_nothing_is_repeated_once_the_journey_was_ended(bench: Bench) -> None:
    await die_after_the_hand_over(bench)
    await bench.rig.track("u1", "Account Closed")
    assert await bench.attempt() == SendOutcome("unknown", journey_ended=True)
    assert len(bench.provider.got) == 1


@each("bench", [HOOK], indirect=True)
async def test_a_lost_answer_is_asked_for_again_under_the_same_key(bench: Bench) -> None:
    bench.provider.answers = [Ambiguous("connection reset")]
    with pytest.raises(UnavailableError):
        await bench.attempt()
    assert await bench.state() == ("sending", None)
    assert (await bench.attempt()).state == "sent"


@each("bench", [EMAIL], indirect=True)
async def test_a_lost_answer_of_a_marketing_mail_stays_unknown(bench: Bench) -> None:
    bench.provider.answers = [Ambiguous("connection reset")]
    assert (await bench.attempt()).state == "unknown"
    assert await bench.state() == ("unknown", "answer_lost")


@each("bench", [EMAIL], indirect=True)
async def test_an_attempt_that_was_slow_and_not_dead_still_tells(bench: Bench) -> None:
    """Temporal gave it up and started another, which found the message being sent."""
    answer = asyncio.Event()
    bench.provider.answers = [answer]
    slow = asyncio.create_task(bench.attempt())
    await bench.provider.reached.wait()
    assert (await bench.attempt()).state == "unknown"
    answer.set()
    assert (await slow).state == "sent"
    assert await bench.state() == ("sent", None)
    assert len(bench.provider.got) == 1


@each("bench", [EMAIL], indirect=True)
async def test_a_refusal_that_comes_before_the_hand_over_is_heeded(bench: Bench) -> None:
    """Granted, and unsubscribed before the claim."""
    await bench.rig.identify("u1", consent={"email": False})
    assert (await bench.attempt()).state == "cancelled"
    assert await bench.state() == ("cancelled", "no_consent")
    assert bench.provider.got == []


@each("bench", [EMAIL], indirect=True)
async def test_the_last_message_ends_the_journey_and_its_repetition_says_so(bench: Bench) -> None:
    assert await bench.attempt() == SendOutcome("sent", journey_ended=False)
    assert (await bench.rig.ended("u1"))["outcome"] == "completed"
    assert await bench.attempt() == SendOutcome("sent", journey_ended=False)
