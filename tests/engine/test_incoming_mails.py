"""Mails that come back by LMTP and by a pipe: bounces, complaints, replies, unsubscriptions, and what is nothing."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from os import environ
from signal import SIGKILL, SIGTERM
from smtplib import LMTP, SMTPDataError, SMTPRecipientsRefused, SMTPSenderRefused
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

import wiring
from application.catalogue import Catalogue
from application.reports import Reports
from application.step_decisions import StepDecisions
from domain.journey.requests import AuthorizeRequest
from domain.sending.gate_answers import Granted, Refused
from domain.sending.receiving import MailPurpose, ReceivingDomain
from runtime import lmtp
from runtime.embedded.mail import ReceivedMail
from runtime.embedded.ports import free_port
from runtime.lmtp import MAX_BYTES, LmtpListener
from store.database import Database
from tests.channels.test_bounce_mails import NOTIFICATION
from tests.channels.test_incoming_mails import write
from tests.engine.caps_worker import patiently
from tests.engine.ingesting import AT
from tests.engine.positions import UNRECORDED
from tests.engine.test_reports import LETTER, handed_over
from tests.forks import Fork, fork
from tests.generated import LINK_SECRET
from tests.harness import PATIENCE, WRITE_KEY, Harness, open_harness
from tests.processes import environment, sojourn
from tests.proofs import rounds
from tests.races import Lead
from tests.servers import TemporalServer

SEED = 20_261_201
ROUNDS = rounds(40, 1_000)
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


def bounce_of(message: UUID, status: str = "5.1.1") -> bytes:
    fields = f"Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; x\nAction: failed\nStatus: {status}\n"
    text = NOTIFICATION.replace("report-type=REPORT", "report-type=delivery-status").replace("FIELDS", fields)
    text = text.replace("MACHINE", "message/delivery-status").replace("ORIGINAL", "text/rfc822-headers")
    return text.replace("RETURNED", f"Message-ID: <{message}@example.com>\n").replace("\n", "\r\n").encode()


def address(purpose: MailPurpose, message: UUID) -> str:
    return DOMAIN.address(purpose, message)


async def sent(harness: Harness, user: str = "u1", **traits: Any) -> tuple[UUID, ReceivedMail]:
    """A message of the campaign `answered`, as it came to the person."""
    await harness.identify(user, email=f"{user}@example.com", consent={"email": True}, **traits)
    await harness.track(user, "Signed Up")
    [mail] = await harness.inbox.wait_for(lambda one: f"{user}@example.com" in one.recipients, PATIENCE)
    [row] = await harness.messages.until(user_id=user, state="sent")
    return row["id"], mail


async def outcomes(harness: Harness) -> list[tuple[str, str]]:
    rows = await harness.query("SELECT source, error, body FROM rejects ORDER BY id")
    return [(row["source"], row["error"]) for row in rows]


async def test_a_bounce_to_the_address_that_a_mail_was_from_suppresses_its_own(harness: Harness, port: int) -> None:
    await harness.run_campaign(ANSWERED)
    id, mail = await sent(harness)
    assert mail.sender == ReceivingDomain("bounces.example.com", (LINK_SECRET,)).address("bounce", id)
    # It returns nothing of the mail: the address alone says which it was.
    assert await hand_over(port, bounce_of(uuid4()), mail.sender, "") == 250
    [row] = await harness.query("SELECT value, refusals FROM addresses WHERE refusals <> '{}'")
    assert row == {"value": "u1@example.com", "refusals": {"suppression": "bounced"}}
    assert (await harness.messages.one())["bounce"] == "hard"
    # The same one again is taken, and changes nothing.
    assert await hand_over(port, bounce_of(uuid4()), mail.sender, "") == 250
    assert len(await harness.query("SELECT 1 FROM events WHERE name = 'Email Bounced'")) == 1


async def test_a_bounce_to_the_mailbox_of_the_sender_is_found_by_what_it_returns(harness: Harness, port: int) -> None:
    await harness.run_campaign(LETTER)
    [id] = await handed_over(harness)
    assert await hand_over(port, bounce_of(id), "hello@example.com", "") == 250
    assert (await harness.journeys.one())["state"] == "exited"


async def test_no_bounce_is_refused_and_none_is_lost(harness: Harness, port: int) -> None:
    await harness.run_campaign(LETTER)
    await handed_over(harness)
    unknown = uuid4()
    assert await hand_over(port, bounce_of(unknown), address("bounce", unknown), "") == 250
    assert await hand_over(port, bounce_of(unknown), "hello@example.com", "") == 250
    nothing = bounce_of(unknown).replace(b"Message-ID:", b"Subject:")
    assert await hand_over(port, nothing, "hello@example.com", "") == 250
    assert await outcomes(harness) == [
        ("mail", "a mail about a message that is not known"),
        ("mail", "a mail about a message that is not known"),
        ("mail", "a report that names no message"),
    ]
    [shown, *_] = (await harness.admin("GET", "/v1/rejects?source=mail"))["rejects"]
    assert shown["body"].startswith("Return-Path: <>")


async def test_a_sender_is_told_of_a_mail_that_answers_nothing(harness: Harness, port: int) -> None:
    forged = address("reply", uuid4()).replace(".", ".a", 1)
    assert await hand_over(port, write(), forged) == 550
    assert await hand_over(port, write(), address("reply", uuid4())) == 550
    assert await hand_over(port, write(), address("unsubscribe", uuid4())) == 550
    assert await hand_over(port, write(To="hello@example.com"), "hello@example.com") == 550
    assert await outcomes(harness) == []


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


async def test_the_mails_of_programs_change_nothing(harness: Harness, port: int) -> None:
    await harness.run_campaign(ANSWERED)
    id, mail = await sent(harness)
    away = write("I am away.", Auto_Submitted="auto-replied")
    for recipient in (address("reply", id), address("unsubscribe", id), mail.sender):
        assert await hand_over(port, away, recipient, "") == 250
    assert await hand_over(port, bounce_of(id), address("unsubscribe", id), "") == 250
    assert (await harness.journeys.one())["state"] == "active"
    assert (await harness.messages.one())["replied_at"] is None
    [profile] = await harness.query("SELECT consent FROM profiles")
    assert profile["consent"] == {"email": True}
    assert await outcomes(harness) == []


async def test_a_mail_unsubscribes_with_its_proof(harness: Harness, port: int) -> None:
    await harness.run_campaign(ANSWERED)
    id, mail = await sent(harness)
    offered = str(mail.message["List-Unsubscribe"])
    assert offered.endswith(f"<mailto:{address('unsubscribe', id)}?subject=unsubscribe>")
    assert offered.startswith("<https://sojourn.example.com/unsubscribe/")
    for _ in range(2):
        assert await hand_over(port, write("", Subject="unsubscribe"), address("unsubscribe", id)) == 250
    [profile] = await harness.query("SELECT consent FROM profiles")
    assert profile["consent"] == {"email": False}
    [row] = await harness.query("SELECT refusals FROM addresses")
    assert row["refusals"] == {"opt_out": "unsubscribed by mail"}
    assert len(await harness.query("SELECT 1 FROM events WHERE name = 'Unsubscribed'")) == 1
    log = (await harness.admin("GET", "/v1/users/u1"))["consent_log"]
    assert [one["proof"]["form"] for one in log if one["proof"]] == ["mail"]


async def test_while_the_database_is_away_a_mail_stays_with_its_server(
    harness: Harness, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise psycopg.OperationalError("gone")

    await harness.run_campaign(LETTER)
    [id] = await handed_over(harness)
    with monkeypatch.context() as patch:
        patch.setattr(Reports, "apply", away)
        assert await hand_over(port, bounce_of(id), "hello@example.com", "") == 451
        patch.setattr(Reports, "apply", lambda *_, **__: 1 / 0)
        assert await hand_over(port, bounce_of(id), "hello@example.com", "") == 451
    assert await hand_over(port, bounce_of(id), "hello@example.com", "") == 250


async def test_a_listener_bounds_what_it_takes(harness: Harness, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmtp, "MAX_CONNECTIONS", 1)
    assert await hand_over(port, write() + b"x\r\n" * (MAX_BYTES // 3), address("reply", uuid4())) == 552

    def second() -> int:
        with LMTP("127.0.0.1", port, timeout=PATIENCE) as first:
            first.ehlo()
            # One recipient at a time.
            first.mail("ada@example.net")
            first.rcpt("hello@example.com")
            assert first.rcpt("help@example.com")[0] == 452
            with LMTP("127.0.0.1", port, timeout=PATIENCE) as other:
                return other.ehlo()[0]

    assert await asyncio.to_thread(second) == 421


@asynccontextmanager
async def lmtp_process(harness: Harness, port: int) -> AsyncIterator[Fork]:
    """`sojourn lmtp` in a process of its own, from when it listens."""
    variables = {**environ, **environment(harness.settings)}
    process = await fork("lmtp", "--port", str(port), variables=variables)
    try:
        while b"listener started" not in (line := await process.stdout.readline()):
            assert line, "it never listened"
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(SIGTERM)
        assert await process.wait() in (0, -SIGKILL)


async def test_a_mail_whose_listener_dies_comes_again_and_counts_once(harness: Harness) -> None:
    await harness.run_campaign(LETTER)
    [id] = await handed_over(harness)
    port = free_port()
    async with lmtp_process(harness, port) as process:
        assert await hand_over(port, bounce_of(id), address("bounce", id), "") == 250
        # Before the mail server has read the answer, for all that it knows.
        process.kill()
        await process.wait()
    with pytest.raises(ConnectionRefusedError):
        await hand_over(port, bounce_of(id), address("bounce", id), "")
    async with lmtp_process(harness, port):
        assert await hand_over(port, bounce_of(id), address("bounce", id), "") == 250
        taken, said = await sojourn(harness.settings, "lmtp", "--port", str(port))
        assert (taken, f"127.0.0.1:{port} cannot be listened on" in said) == (1, True)
    assert len(await harness.query("SELECT 1 FROM events WHERE name = 'Email Bounced'")) == 1


async def test_a_pipe_hands_over_by_http(harness: Harness) -> None:
    await harness.run_campaign(LETTER)
    [id] = await handed_over(harness)

    async def post(body: bytes, **params: str) -> tuple[int, Any]:
        headers = {"Content-Type": "message/rfc822"}
        answer = await harness.http.post(
            "/v1/mails", content=body, params=params, headers=headers, auth=(WRITE_KEY, "")
        )
        return answer.status_code, answer.json().get("outcome")

    assert await post(write(To=address("reply", id)), sender="ada@example.net") == (200, "replied")
    assert await post(write(In_Reply_To=f"<{id}@example.com>"), sender="ada@example.net") == (200, "unassigned")
    assert await post(write(Auto_Submitted="auto-replied"), recipient=address("reply", id)) == (200, "automatic")
    assert await post(bounce_of(id), recipient="hello@example.com", sender="") == (200, "reported")
    # Its sender cannot be told.
    assert await post(write(), recipient=address("reply", uuid4())) == (200, "unassigned")
    assert (await outcomes(harness))[0][0] == "mail"
    assert (await post(b"x" * (1 << 20) + b"xx"))[0] == 413
    assert (await harness.http.post("/v1/mails", content=write())).status_code == 401


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
