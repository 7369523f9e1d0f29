"""Mails that come back by LMTP and by a pipe, and what each changes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from os import environ
from signal import SIGKILL, SIGTERM
from smtplib import LMTP
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from application.reports import Reports
from domain.sending.receiving import ReceivingDomain
from runtime import lmtp
from runtime.embedded.ports import free_port
from runtime.lmtp import MAX_BYTES
from tests.channels.test_bounce_mails import NOTIFICATION
from tests.channels.test_incoming_mails import write
from tests.engine.incoming_mail import ANSWERED, address, hand_over, harness, port, sent
from tests.engine.test_reports import LETTER, handed_over
from tests.forks import Fork, fork
from tests.generated import LINK_SECRET
from tests.harness import PATIENCE, WRITE_KEY, Harness
from tests.processes import environment, sojourn

__all__ = ["harness", "port"]  # fixtures


def bounce_of(message: UUID, status: str = "5.1.1") -> bytes:
    fields = f"Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; x\nAction: failed\nStatus: {status}\n"
    text = NOTIFICATION.replace("report-type=REPORT", "report-type=delivery-status").replace("FIELDS", fields)
    text = text.replace("MACHINE", "message/delivery-status").replace("ORIGINAL", "text/rfc822-headers")
    return text.replace("RETURNED", f"Message-ID: <{message}@example.com>\n").replace("\n", "\r\n").encode()


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
