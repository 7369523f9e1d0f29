"""Replies by mail: events that end journeys, are forwarded, and are answered."""

import asyncio
import random
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

import wiring
from application.catalogue import Catalogue
from application.step_decisions import StepDecisions
from domain.journey.requests import AuthorizeRequest
from domain.sending.gate_answers import Granted, Refused
from store.database import Database
from tests.channels.test_incoming_mails import write
from tests.engine.caps_worker import patiently
from tests.engine.incoming_mail import ANSWERED, address, hand_over, harness, port, sent
from tests.engine.ingesting import AT
from tests.engine.positions import UNRECORDED
from tests.engine.test_reports import LETTER, handed_over
from tests.harness import PATIENCE, Harness, open_harness
from tests.proofs import rounds
from tests.races import Lead
from tests.servers import TemporalServer

__all__ = ["harness", "port"]  # fixtures

SEED = 20_261_201
ROUNDS = rounds(40, 1_000)


async def test_a_reply_is_an_event_that_ends_the_journey_and_is_forwarded(harness: Harness, port: int) -> None:
    await harness.run_campaign(ANSWERED)
    id, mail = await sent(harness)
    assert str(mail.message["Reply-To"]) == address("reply", id)
    reply = write("Yes, please call me.\n\nOn Monday Example Shop wrote:\n> Cart", Subject="Re: A note")
    assert await hand_over(port, reply, address("reply", id)) == 250
    [journey] = await harness.journeys.all()
    assert (journey["state"], journey["outcome"]) == ("exited", "exited")
    [event] = await harness.query("SELECT properties FROM events WHERE name = 'Email Replied'")
    said = {"subject": "Re: A note", "text": "Yes, please call me.", "attachments": [], "patterns": []}
    assert event["properties"] == {
        "message_id": str(id),
        "channel": "email",
        "campaign": "answered",
        "step": "hello",
        "template": "note",
        "arms": {},
        "provider": "smtp",
        **said,
    }
    assert (await harness.messages.one())["replied_at"] is not None
    [copy] = await harness.inbox.wait_for(lambda one: "sales@example.com" in one.recipients, PATIENCE)
    assert str(copy.message["From"]) == "Ada Lovelace <sales@example.com>"
    assert str(copy.message["Reply-To"]) == "Ada Lovelace <ada@example.net>"
    assert copy.subject == "Re: A note"
    assert copy.text is not None
    assert copy.text.startswith("Yes, please call me.\n")
    # It comes back, by a rule of a mailbox: it is no reply again, and goes nowhere.
    assert await hand_over(port, copy.source, address("reply", id), "sales@example.com") == 250
    assert len(await harness.query("SELECT 1 FROM events WHERE name = 'Email Replied'")) == 1
    assert sum("sales@example.com" in one.recipients for one in harness.inbox.messages) == 1
    await (await harness.journey("u1")).result()


@pytest.mark.parametrize(
    ("owner", "target"),
    [("grace@EXAMPLE.com", "grace@EXAMPLE.com"), ("eve@evil.example", "sales@example.com"), (7, "sales@example.com")],
)
async def test_a_reply_goes_to_the_owner_at_the_same_domain(
    harness: Harness, port: int, owner: Any, target: str
) -> None:
    await harness.run_campaign(ANSWERED)
    id, _ = await sent(harness, owner_email=owner)
    assert await hand_over(port, write(), address("reply", id)) == 250
    [copy] = [one for one in harness.inbox.messages if "u1@example.com" not in one.recipients]
    assert [one.lower() for one in copy.recipients] == [target.lower()]


async def test_a_reply_that_cannot_be_forwarded_comes_again_and_has_ended_the_journey(
    harness: Harness, port: int
) -> None:
    await harness.run_campaign(ANSWERED)
    id, _ = await sent(harness)
    harness.inbox.greylist.add("sales@example.com")
    assert await hand_over(port, write(), address("reply", id)) == 451
    assert (await harness.journeys.one())["state"] == "exited"
    harness.inbox.greylist.clear()
    assert await hand_over(port, write(), address("reply", id)) == 250
    assert len(await harness.query("SELECT 1 FROM events WHERE name = 'Email Replied'")) == 1
    assert sum("sales@example.com" in one.recipients for one in harness.inbox.messages) == 1
    # One that its receiver refuses for good would only come back for ever.
    harness.inbox.refuse.add("sales@example.com")
    assert await hand_over(port, write(Message_ID="<2@example.net>"), address("reply", id)) == 250


async def test_few_replies_to_a_message_are_forwarded_on_a_day(
    harness: Harness, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("application.reply_forwarding.MAX_COPIES", 3)
    await harness.run_campaign(ANSWERED)
    id, _ = await sent(harness)

    async def answer(number: int) -> int:
        return await hand_over(port, write(f"no. {number}", Message_ID=f"<{number}@example.net>"), address("reply", id))

    # One that is to come again takes no place.
    harness.inbox.greylist.add("sales@example.com")
    assert await answer(0) == 451
    harness.inbox.greylist.clear()
    # Each takes a thread of this process, of which the listener needs some.
    for numbers in (range(4), range(4, 8)):
        assert await asyncio.gather(*map(answer, numbers)) == [250] * 4
    # Delivered once more, the same mail is not forwarded once more.
    assert await answer(0) == 250
    assert len(await harness.query("SELECT 1 FROM events WHERE name = 'Email Replied'")) == 8
    assert sum("sales@example.com" in one.recipients for one in harness.inbox.messages) == 3


async def test_a_step_waits_for_a_reply_and_branches_on_what_it_says(harness: Harness, port: int) -> None:
    campaign = """
key: asking
name: Asking
entry: {event: Signed Up}
replies: {}
steps:
  - {id: hello, send: {channel: email, template: note}}
  - id: answer
    wait_for: {event: Email Replied, where: 'event.properties.text.contains("yes")', timeout: 30d}
    on_event: [{exit: agreed}]
    on_timeout: [{exit: silent}]
"""
    await harness.run_campaign(campaign)
    id, _ = await sent(harness)
    handle = await harness.journey("u1")
    await harness.rests(handle, "answer")
    assert await hand_over(port, write("no"), address("reply", id)) == 250
    assert await hand_over(port, write("Oh yes", Message_ID="<2@example.net>"), address("reply", id)) == 250
    assert await handle.result() == "agreed"
    history = (await handle.fetch_history()).to_json()
    assert "Oh yes" not in history
    # To no one in particular.
    assert [one.recipients for one in harness.inbox.messages] == [("u1@example.com",)]


async def test_a_reply_is_answered_by_its_pattern_and_weekly_at_most(harness: Harness, port: int) -> None:
    document = "patterns: [{name: price, when: ['how much']}, {name: date, when: [when]}]"
    await harness.admin("PUT", "/v1/replies", {"file": "replies.yaml", "source": document})
    await harness.run_campaign(ANSWERED)
    answer = """
key: answer-price
name: Answer
entry:
  event: Email Replied
  where: '"price" in event.properties.patterns'
  reentry: {after: 7d}
steps:
  - {id: answer, send: {channel: email, template: note, category: transactional}}
"""
    await harness.run_campaign(answer)
    id, _ = await sent(harness)
    texts = ["And when?", "HOW MUCH is it, and when?", "How much?"]
    for number, text in enumerate(texts):
        assert await hand_over(port, write(text, Message_ID=f"<{number}@example.net>"), address("reply", id)) == 250
        if number == 1:
            await harness.messages.until(step="answer", state="sent")
            await harness.journeys.until(campaign_key="answer-price", state="completed")
    events = await harness.query("SELECT properties FROM events WHERE name = 'Email Replied' ORDER BY received_at")
    assert [row["properties"]["patterns"] for row in events] == [["date"], ["price", "date"], ["price"]]
    entries = await harness.query(
        "SELECT outcome, reason FROM decisions WHERE kind = 'entry' AND campaign_key = 'answer-price' ORDER BY at"
    )
    # The first one is about something else.
    assert entries[0] == {"outcome": "entered", "reason": None}
    assert entries[1] == {"outcome": "refused", "reason": "reentry_after"}
    assert len(entries) == 2


@pytest.mark.prove
@pytest.mark.takes_long
async def test_nothing_is_granted_after_a_reply_was_acknowledged(database_url: str, temporal: TemporalServer) -> None:
    rolls = random.Random(SEED)
    print(f"seed {SEED}")  # noqa: T201
    acknowledged: dict[UUID, datetime] = {}
    granted, lead = 0, Lead()
    async with (
        open_harness(database_url, temporal, is_working=False) as harness,
        wiring.services(harness.settings) as services,
        Database(database_url, pool_size=10) as database,
    ):
        await harness.run_campaign(LETTER.replace("Email Bounced", "Email Replied"))
        gate = StepDecisions(database, Catalogue(), "UTC")
        for number in range(ROUNDS):
            [message] = await handed_over(harness, f"u{number}")
            [row] = await harness.query("SELECT journey_id FROM messages ORDER BY journey_id DESC LIMIT 1")
            journey: UUID = row["journey_id"]

            async def reply(message: UUID = message, journey: UUID = journey, wait: float = lead.of_first) -> None:
                await asyncio.sleep(wait + rolls.uniform(0, 0.002))
                mail = write(Message_ID=f"<{message}@example.net>")
                outcome = await services.incoming_mails.receive(
                    mail, recipient=address("reply", message), sender="ada@example.net"
                )
                assert outcome == "replied"
                [now] = await harness.query("SELECT clock_timestamp() AS at")
                acknowledged[journey] = now["at"]

            async def ask(visit: int, pause: float = 0.0, journey: UUID = journey) -> Granted | Refused:
                await asyncio.sleep(pause)
                request = AuthorizeRequest(journey, "hello", visit, 1, AT, AT, None, UNRECORDED)
                answer = await patiently(lambda: gate.authorize(request))
                assert isinstance(answer, Granted | Refused)
                return answer

            _, raced = await asyncio.gather(reply(), ask(2, lead.of_second))
            granted += isinstance(raced, Granted)
            lead.adapt(second_won=isinstance(raced, Granted))
            assert isinstance(await ask(3), Refused)
        print(f"granted before the reply: {granted} of {ROUNDS}")  # noqa: T201
        rows = await harness.query("SELECT journey_id, reserved_at FROM messages WHERE visit = 2")
    assert len(rows) == granted
    assert 0 < granted < ROUNDS
    assert [row for row in rows if row["reserved_at"] > acknowledged[row["journey_id"]]] == []
