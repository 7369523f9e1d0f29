"""docs/consent.md is true: its documents are valid, its commands run, and its table is the gate's own."""

import asyncio
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from api.recipient_pages.texts import LANGUAGES
from application import confirmations, pauses
from cli.main import run
from domain.people import topics_document
from domain.people.consent import ConsentFacts, find_refusal
from domain.people.topics.deployed import DeployedTopics
from domain.people.topics.requests import MAX_REQUESTS
from domain.people.topics_document import parse_topics
from tests.cli.conftest import Output, api_url, deployment, folder, no_logs
from tests.docs.curl import curl_lines, read_curl
from tests.docs.tables import rows
from tests.domain.templates.sources import email, only, variables
from tests.harness import ADMIN_KEY, WRITE_KEY, Harness

__all__ = ["api_url", "deployment", "folder", "no_logs"]  # fixtures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "consent.md").read_text()


def block(kind: str) -> str:
    [text] = re.findall(rf"^```yaml {kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


async def test_the_commands_run_and_the_campaign_is_valid(
    harness: Harness, deployment: str, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    for line in [line for line in PAGE.splitlines() if line.startswith("sojourn ")]:
        assert await asyncio.to_thread(run, shlex.split(line)[1:]) == 0, (line, capsys.readouterr())
    await harness.run_campaign(block("campaign").replace("template: welcome", "template: note"))
    known = {"URL": "http://sojourn.example.com", "WRITE_KEY": WRITE_KEY, "KEY": ADMIN_KEY}
    for line in curl_lines(PAGE):
        call = read_curl(line, known)
        answer = await harness.http.send(call.request)
        assert answer.status_code == call.status, (line, answer.text)
    person = await harness.admin("GET", "/v1/users/u-1")
    assert person["topics"]["newsletter"]["email"]["state"] == "confirmed"
    assert person["topics"]["offers"]["email"]["state"] == "unsubscribed"
    assert [one["proof"]["wording"] for one in person["consent_log"] if one["proof"]] == ["2026-11"]
    [journey] = await harness.until("SELECT campaign_key FROM journeys")
    assert journey == {"campaign_key": "newsletter-welcome"}


def test_the_document_and_its_example_are_valid() -> None:
    shown = parse_topics(block("topics"), "topics.yaml")
    assert {rule.key for rule in shown if hasattr(rule, "key")} == {"newsletter", "offers", "terms"}
    example = ROOT / "examples" / "topics" / "topics.yaml"
    assert DeployedTopics(parse_topics(example.read_text(), str(example))).topics.keys() == {
        "newsletter",
        "offers",
        "terms",
    }
    assert f"There are at most {topics_document.MAX_TOPICS}" in PAGE


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"at most {MAX_REQUESTS['address']} subscriptions a day" in PAGE
    assert f"may ask for {MAX_REQUESTS['client']}:" in PAGE
    assert f"for {confirmations.LIFETIME.days} days after the request" in PAGE
    assert f"pauses for {pauses.PAUSE.days} days" in PAGE
    assert [one.language for one in LANGUAGES.values()] == ["en", "de", "fr", "es"]
    assert "(English, German, French, Spanish;" in PAGE
    example = (ROOT / "examples" / "double-opt-in.yaml").read_text()
    assert block("ask") in example


def test_the_links_of_the_page_are_printed_in_marketing_alone() -> None:
    [text] = re.findall(r"^```liquid\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    template = only(email(text))
    given = variables()
    html = template.render(given, None)["html"]
    assert given["unsubscribe_url"] in html
    assert given["preferences_url"] in html
    assert template.render({**given, "unsubscribe_url": None, "preferences_url": None}, None)["html"].strip() == ""


TOPICS = DeployedTopics(
    parse_topics(
        "topics: [{key: any, name: Any}, {key: asked, name: A, default: opted_out}, "
        "{key: twice, name: T, default: double}]",
        "topics.yaml",
    )
)
FACTS: dict[str, tuple[str, dict[str, Any]]] = {
    "the channel or the address is [suppressed](people.md#suppression)": ("any", {"suppressed": {"email": "x"}}),
    "the number has written [STOP](channels.md#replies-and-words)": (
        "any",
        {"refused_addresses": {"email": {"stop": "x"}}},
    ),
    "the person refuses the channel": ("any", {"given": {"email": False}}),
    "the address refuses the channel, by a link": ("any", {"refused_addresses": {"email": {"opt_out": "x"}}}),
    "the person, or the address, refuses the topic": ("any", {"preferences": {"any.email": False}}),
    "the topic is `double`, and no subscription is confirmed": ("twice", {"preferences": {"twice.email": True}}),
    "the topic is `opted_out`, and nothing was said": ("asked", {"given": {"email": True}}),
    "nothing was said to the channel or the topic, under `opt_in`": ("any", {}),
}


def test_the_table_of_refusals_is_the_gates_own() -> None:
    table = rows(PAGE, "## Refusals, in their order")
    assert [row[0] for row in table] == list(FACTS)
    for name, *outcomes in table:
        topic, known = FACTS[name]
        facts = ConsentFacts(**{"given": {}, "suppressed": {}, **known})
        for category, outcome in zip(("transactional", "service", topic), outcomes, strict=True):
            assert (find_refusal("email", category, facts, TOPICS) is None) == (outcome == "go"), (name, category)
