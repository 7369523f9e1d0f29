"""A secret that a webhook carries is in the request, and nowhere else: not in a row, a history or a log."""

import json
from collections.abc import AsyncIterator
from os import environ
from pathlib import Path

import pytest

from tests.channels.servers import Receiver, answer, listening
from tests.forks import fork
from tests.harness import Harness, open_harness
from tests.processes import environment
from tests.servers import TemporalServer

VALUE = "T0AB/B0CD/s3cr3t-of-slack"
CALL = """---
channel: webhook
method: POST
url: http://127.0.0.1:PORT/services/{{ secrets.slack_path }}
headers: {Authorization: "Bearer {{ secrets.slack_path }}"}
save: {echo: reply.json}
body: {text: "{{ profile.user_id }}", token: "{{ secrets.slack_path }}"}
---
"""
SIGNED = """---
channel: webhook
url: http://127.0.0.1:PORT/signed
---
token: "{{ secrets.slack_path }}"
"""
ELSEWHERE = CALL.replace("127.0.0.1", "localhost").replace("slack_path", "unbound")
CAMPAIGN = """
key: told
name: Told
entry: {event: Signed Up}
steps:
  - {id: call, send: {channel: webhook, template: call, category: transactional}}
  - {id: signed, send: {channel: webhook, template: signed, category: transactional}}
  - {id: elsewhere, send: {channel: webhook, template: elsewhere, category: transactional}}
  - {id: missing, send: {channel: webhook, template: missing, category: transactional}}
  - {id: failing, send: {channel: webhook, template: failing}}
  - {id: rest, delay: 30d}
"""


@pytest.fixture
async def harness(database_url: str, temporal: TemporalServer) -> AsyncIterator[Harness]:
    async with open_harness(database_url, temporal, is_working=False) as opened:
        yield opened


@pytest.fixture
def secrets(tmp_path: Path) -> dict[str, str]:
    """The secrets as the variables of a worker, one of them in a folder."""
    (tmp_path / "unbound").write_text(VALUE)
    (tmp_path / "unbound.hosts").write_text("hooks.slack.com")
    return {
        "SOJOURN_SECRET_SLACK_PATH": VALUE,
        "SOJOURN_SECRET_SLACK_PATH_HOSTS": "127.0.0.1",
        "SOJOURN_SECRETS_FOLDER": str(tmp_path),
    }


async def test_a_secret_is_in_the_request_only(harness: Harness, secrets: dict[str, str]) -> None:
    echoing = Receiver(answer(200, json.dumps({"got": VALUE, "list": [VALUE]}).encode()))
    # A status line that no library reads, and whose text it quotes.
    garbled = Receiver(b"HTTP/1.1 2x0 " + VALUE.encode() + b"\r\n\r\n")
    async with listening(echoing.talk) as port, listening(garbled.talk) as failing:
        templates = {
            "call": CALL,
            "signed": SIGNED,
            "elsewhere": ELSEWHERE,
            "missing": CALL.replace("slack_path", "other"),
            "failing": CALL.replace("POST", "PATCH").replace("PORT", str(failing)),
        }
        files = {f"{name}.liquid": text.replace("PORT", str(port)) for name, text in templates.items()}
        await harness.run_campaign(CAMPAIGN, files)
        worker = await fork("worker", variables={**environ, **environment(harness.settings), **secrets})
        try:
            await harness.track("u1", "Signed Up")
            handle = await harness.journey("u1")
            await harness.rests(handle, "rest")
        finally:
            worker.terminate()
            output, _ = await worker.communicate()
    called, signed = echoing.requests
    assert called.line == f"POST /services/{VALUE} HTTP/1.1"
    assert json.loads(called.body) == {"text": "u1", "token": VALUE}
    assert json.loads(signed.body)["data"] == {"token": VALUE}
    settled = await harness.messages.all()
    assert [(row["step"], row["state"], row["reason"]) for row in settled] == [
        ("call", "sent", None),
        ("signed", "sent", None),
        ("elsewhere", "failed", "secret_refused"),
        ("missing", "failed", "secret_missing"),
        ("failing", "unknown", "answer_lost"),
    ]
    journey = await harness.journeys.one()
    assert journey["saved"] == {"echo": {"got": "[secret slack_path]", "list": ["[secret slack_path]"]}}
    timeline = await harness.timeline("u1")
    assert "set SOJOURN_SECRET_OTHER" in json.dumps(timeline)
    assert "bound to hooks.slack.com, and may not go to localhost" in json.dumps(timeline)
    history = await handle.fetch_history()
    told = [event.SerializeToString() for event in history.events]
    told += [(await handle.describe()).raw_description.SerializeToString(), output, json.dumps(timeline).encode()]
    told += await rows(harness)
    assert b"worker started" in output
    # The proof can fail: what stands beside the secret is found.
    assert any(b"slack_path" in each for each in told)
    for part in (VALUE, VALUE.replace("/", "%2F"), "s3cr3t"):
        assert not [each for each in told if part.encode() in each]


async def rows(harness: Harness) -> list[bytes]:
    """Every row of every table as text."""
    tables = await harness.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    found: list[bytes] = []
    for name in (table["tablename"] for table in tables):
        lines = await harness.query(f"SELECT t::text AS line FROM {name} AS t")  # noqa: S608 - of the catalogue
        found += [row["line"].encode() for row in lines]
    return found
