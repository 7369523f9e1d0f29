"""`sojourn bounce`, as the pipe of a mail server runs it: its statuses are those of sysexits."""

import sys
from io import BytesIO, TextIOWrapper
from uuid import uuid4

import pytest

from cli.exit_codes import TRY_AGAIN
from cli.main import run
from domain.sending.receiving import ReceivingDomain
from tests.channels.test_incoming_mails import write
from tests.cli.conftest import Output
from tests.generated import LINK_SECRET
from tests.harness import WRITE_KEY

AWAY = write(Auto_Submitted="auto-replied")
DOMAIN = ReceivingDomain("mail.example.com", (LINK_SECRET,))


@pytest.fixture
def pipe(deployment: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("SOJOURN_API_KEY", WRITE_KEY)
    for name in ("RECIPIENT", "ORIGINAL_RECIPIENT"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def feed(pipe: pytest.MonkeyPatch, mail: bytes) -> None:
    pipe.setattr(sys, "stdin", TextIOWrapper(BytesIO(mail)))


def test_a_mail_is_taken(pipe: pytest.MonkeyPatch, capsys: Output) -> None:
    feed(pipe, AWAY)
    assert run(["bounce", "--sender", "ada@example.net"]) == 0
    assert capsys.readouterr().out == "automatic\n"
    # A long one is read to its end, so that its writer is not stopped.
    feed(pipe, write("Please\n" * 400_000, To=DOMAIN.address("reply", uuid4())))
    assert run(["bounce"]) == 0
    assert capsys.readouterr().out == "unassigned\n"
    assert sys.stdin.buffer.read() == b""


def test_the_envelope_is_that_of_the_options_or_of_the_pipe(pipe: pytest.MonkeyPatch, capsys: Output) -> None:
    # To the address for bounces a person's mail is no reply.
    wrong = DOMAIN.address("bounce", uuid4())
    pipe.setenv("RECIPIENT", wrong)
    feed(pipe, write())
    assert run(["bounce"]) == 0
    pipe.setenv("ORIGINAL_RECIPIENT", "hello@example.com")
    # The empty sender of a bounce, as Postfix writes it for a pipe.
    feed(pipe, write())
    assert run(["bounce", "--recipient", DOMAIN.address("reply", uuid4()), "--sender", "MAILER-DAEMON"]) == 0
    assert capsys.readouterr().out == "unassigned\nautomatic\n"


def test_what_is_not_taken_is_kept_by_the_mail_server(pipe: pytest.MonkeyPatch, capsys: Output) -> None:
    pipe.setenv("SOJOURN_API_KEY", "sj_wrong_key")
    feed(pipe, AWAY)
    assert run(["bounce"]) == TRY_AGAIN == 75
    pipe.setenv("SOJOURN_API_KEY", WRITE_KEY)
    pipe.setenv("SOJOURN_API_URL", "http://127.0.0.1:1")
    feed(pipe, AWAY)
    assert run(["bounce"]) == TRY_AGAIN
    assert capsys.readouterr().err
