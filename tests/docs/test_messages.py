"""docs/messages.md is true: its commands and its calls are made, in its order."""

import asyncio
import re
import shlex
from pathlib import Path
from typing import get_args

import pytest

from api.messages import NewMessage, RequestedMessage
from application.single_messages import LEASE_SECONDS, MAX_HAND_OVERS, RENEWAL_SECONDS
from cli.main import run
from tests.cli.conftest import Output, api_url, deployment, folder, no_logs
from tests.docs.curl import curl_lines, read_curl
from tests.docs.tables import rows
from tests.harness import ADMIN_KEY, PATIENCE, Harness

__all__ = ["api_url", "deployment", "folder", "no_logs"]  # fixtures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "messages.md").read_text()


async def test_the_commands_and_the_calls_of_the_page(
    harness: Harness, deployment: str, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    await harness.identify("u-1", email="u-1@example.com")
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    for line in [line for block in blocks for line in block.splitlines()]:
        found = await harness.query("SELECT id::text FROM messages ORDER BY reserved_at DESC LIMIT 1")
        id = found[0]["id"] if found else ""
        if line.startswith("sojourn "):
            words = [id if word == "ID" else word for word in shlex.split(line, comments=True)[1:]]
            assert await asyncio.to_thread(run, words) == 0, (line, capsys.readouterr())
        else:
            call = read_curl(line, {"KEY": ADMIN_KEY, "MESSAGE": id})
            answer = await harness.http.send(call.request)
            assert answer.status_code == call.status, (line, answer.text)
            if call.then == "replayed":
                assert answer.headers["Idempotent-Replayed"] == "true"
            elif call.then:
                assert answer.json()["code"] == call.then
    assert curl_lines(PAGE)
    mails = await harness.inbox.wait_for(2, PATIENCE)
    assert {mail.recipients for mail in mails} == {("ada@example.com",)}


def test_the_tables_are_those_of_the_code() -> None:
    parts = [name.strip("`") for name, _ in rows(PAGE, "## Send it")]
    assert parts == list(NewMessage.model_fields)
    answered = rows(PAGE, "The answer comes once the gate has decided and the decision is stored:")
    states = [name.strip("`") for name, _ in answered]
    assert states == list(get_args(RequestedMessage.model_fields["state"].annotation))


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"a lease of {LEASE_SECONDS:.0f} s" in PAGE
    assert f"renews the lease every {RENEWAL_SECONDS:.0f} s" in PAGE
    assert f"one beyond {MAX_HAND_OVERS} that" in PAGE
