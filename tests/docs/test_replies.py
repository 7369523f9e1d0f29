"""docs/replies.md is true: its documents are valid, its calls are answered, its event is that of a reply."""

import asyncio
import json
import re
import shlex
from pathlib import Path
from typing import get_args

import pytest

from application.reply_forwarding import MAX_COPIES
from cli.main import app, run
from domain.sending.incoming_mail import MailOutcome
from domain.sending.providers_document import parse_providers
from domain.sending.receiving import MailPurpose
from domain.sending.replies_document import find_patterns, parse_replies
from domain.sending.report_events import build_event
from domain.sending.reports import MAX_REPLY_CHARACTERS, MailReply, ProviderReport
from domain.sending.routes import ProviderRule
from runtime import lmtp
from settings import Settings
from tests.channels.recorded_callbacks import MESSAGE, NOW
from tests.cli.conftest import Output, api_url, deployment, folder, no_logs
from tests.docs.curl import curl_lines, read_curl
from tests.docs.tables import rows
from tests.engine.reporting import reported_message
from tests.harness import WRITE_KEY, Harness

__all__ = ["api_url", "deployment", "folder", "no_logs"]  # fixtures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "replies.md").read_text()


EXAMPLE = ROOT / "examples" / "replies" / "replies.yaml"


def block(kind: str) -> str:
    [text] = re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


async def test_the_campaign_is_valid_and_the_calls_are_answered(
    harness: Harness, deployment: str, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = block("yaml campaign").replace("template: trial-offer", "template: note")
    await harness.run_campaign(source.replace("template: trial-reminder", "template: note"))
    await harness.run_campaign(block("yaml answer").replace("template: prices", "template: note"))
    known = {"URL": "http://sojourn.example.com", "WRITE_KEY": WRITE_KEY}
    for line in curl_lines(PAGE):
        call = read_curl(line, known)
        answer = await harness.http.send(call.request)
        assert answer.status_code == call.status, (line, answer.text)
    monkeypatch.chdir(ROOT)
    for line in [line for line in PAGE.splitlines() if line.startswith(("sojourn rejects", "sojourn replies"))]:
        assert await asyncio.to_thread(run, shlex.split(line)[1:]) == 0, (line, capsys.readouterr())
    assert (await harness.admin("GET", "/v1/replies"))["version"] == 1


def test_the_settings_and_the_document_are_there() -> None:
    named = re.findall(r"^export SOJOURN_(\w+)=", PAGE, re.MULTILINE)
    assert {name.lower() for name in named} == {"reply_domain", "smtp_return_domain"} <= Settings.model_fields.keys()
    [rule] = parse_providers(block("yaml providers"), "providers.yaml")
    assert isinstance(rule, ProviderRule)
    assert rule.settings["return_domain"] == "bounces.example.com"
    purposes = {row[0].strip("`").removesuffix("+…") for row in rows(PAGE, "## Receive mails")}
    assert purposes == set(get_args(MailPurpose))


def test_the_patterns_are_those_of_the_example_and_find_what_they_say() -> None:
    rules = parse_replies(block("yaml replies"), "replies.yaml")
    assert parse_replies(EXAMPLE.read_text(), str(EXAMPLE)) == rules
    assert find_patterns(rules, "How much is it?") == find_patterns(rules, "Was kostet das") == ("price",)
    assert find_patterns(rules, "Prices are too high: please stop mailing me") == ("price", "stop")
    assert find_patterns(rules, "It is priceless") == ()


def test_the_event_is_that_of_a_reply() -> None:
    shown = json.loads(block("json event"))
    said = shown["properties"]
    reply = MailReply(said["subject"], said["text"])
    report = ProviderReport(kind="replied", event_id="r-1", message_id=MESSAGE, at=NOW, reply=reply)
    made = build_event("relay", report, reported_message(MESSAGE))
    assert made is not None
    about = {"campaign": "trial-ends", "step": "offer", "template": "trial-offer", "arms": {}}
    assert {"event": made.name, "properties": {**made.properties, **about}} == shown


def test_the_numbers_and_the_names_are_those_of_the_code() -> None:
    assert f"at most {MAX_REPLY_CHARACTERS:,} characters" in PAGE
    assert f"At most {MAX_COPIES} replies to one message" in PAGE
    assert f"mails of up to {lmtp.MAX_BYTES >> 20} MiB on {lmtp.MAX_CONNECTIONS} connections" in PAGE
    outcomes = re.findall(r"`(\w+)`", PAGE.partition("counts mails by `outcome`")[2].partition(";")[0])
    assert set(outcomes) == set(get_args(MailOutcome))


@pytest.mark.parametrize("kind", ["text main.cf", "text aliases"])
def test_the_configurations_of_mail_servers_name_what_is_there(kind: str) -> None:
    text = block(kind)
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    if kind == "text aliases":
        assert re.findall(r"sojourn --context mail (\w+)\"", text) == ["bounce"]
    else:
        [port] = re.findall(r"lmtp:inet:127\.0\.0\.1:(\d+)", text)
        assert f"sojourn lmtp --port {port}" in PAGE
    assert {"bounce", "lmtp"} <= commands
