"""docs/surveys.md is true: its template and campaign are valid, its event is sent, its commands and calls are made."""

import asyncio
import json
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from cli.main import run
from domain.campaign.publication import check
from domain.sending.report_events import build_event
from domain.sending.reports import ProviderReport
from domain.surveys.answers import ANSWERED_EVENT, MAX_TEXT_CHARACTERS, SurveyAnswer, find_report_id
from domain.surveys.survey import GRADES
from domain.surveys.survey_template import QUESTION_TYPES
from tests.cli.conftest import Output, api_url, deployment, folder, no_logs
from tests.docs.curl import curl_lines, read_curl
from tests.docs.tables import rows
from tests.engine.reporting import reported_message
from tests.harness import ADMIN_KEY, PATIENCE, Harness

__all__ = ["api_url", "deployment", "folder", "no_logs"]  # fixtures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "surveys.md").read_text()
[TEMPLATE] = re.findall(r"^```text template\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
[CAMPAIGN] = re.findall(r"^```yaml campaign\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
[EVENT] = re.findall(r"^```json event\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_template_and_the_campaign_are_valid() -> None:
    published = check(CAMPAIGN, "ask.yaml", {"nps.liquid": TEMPLATE})
    assert published.warnings == []
    assert [(one.id, one.type) for one in published.rules.surveys["nps"]] == [
        ("nps", "nps"),
        ("liked", "text"),
        ("missed", "text"),
    ]


def test_the_types_are_those_of_the_code() -> None:
    listed = {row[0].strip("`"): row[1] for row in rows(PAGE, "## Questions")}
    assert list(listed) == list(QUESTION_TYPES)
    assert {name: re.findall(r"\d+", listed[name]) for name in GRADES} == {
        name: [str(grades[0]), str(grades[-1])] for name, grades in GRADES.items()
    }
    assert f"{MAX_TEXT_CHARACTERS:,}" in listed["text"]


def test_the_event_is_that_of_an_answer() -> None:
    wanted = json.loads(EVENT)
    message = reported_message(UUID(wanted["message_id"]))
    report = ProviderReport(
        kind="answered",
        event_id=find_report_id(message.id, "nps"),
        message_id=message.id,
        at=datetime(2026, 12, 1, tzinfo=UTC),
        answer=SurveyAnswer(question="nps", type="nps", score=9),
    )
    event = build_event("smtp", report, message)
    assert event is not None
    assert (event.name, event.properties.keys()) == (ANSWERED_EVENT, wanted.keys())


async def test_the_commands_and_the_calls_of_the_page(harness: Harness, deployment: str, capsys: Output) -> None:
    await harness.run_campaign(CAMPAIGN, {"nps.liquid": TEMPLATE})
    await harness.identify("ada", email="ada@example.com", first_name="Ada")
    await harness.track("ada", "Order Delivered")
    [mail] = await harness.inbox.wait_for(1, timeout=PATIENCE)
    text = mail.message.get_body(("plain",))
    assert text is not None
    [url] = re.findall(r"https?://[^/]+(/survey/\S+)", text.get_content())
    for question, given in (("nps", "3"), ("missed", "It came late.")):
        answer = await harness.http.post(url, data={"question": question, "answer": given})
        assert answer.status_code == 200
    assert (await harness.ended("ada"))["outcome"] == "detractor"
    shown = {}
    for line in [line for line in PAGE.splitlines() if line.startswith("sojourn ")]:
        words = shlex.split(line, comments=True)[1:]
        assert await asyncio.to_thread(run, words) == 0, (line, capsys.readouterr())
        shown[" ".join(words[:3])] = capsys.readouterr().out
    assert "nps (nps), liked (text), missed (text)" in " ".join(shown["surveys list"].split())
    assert json.loads(shown["surveys results nps"])["groups"][0]["group"] == "ask-after-delivery 1"
    assert "It came late." in shown["surveys texts nps"]
    calls = curl_lines(PAGE)
    assert len(calls) == 3
    for text_of_call in calls:
        call = read_curl(text_of_call, {"KEY": ADMIN_KEY})
        answer = await harness.http.send(call.request)
        assert answer.status_code == call.status, answer.text
    [row] = await harness.query("SELECT actor, target FROM audit_log WHERE action = 'survey.read'")
    assert row["target"] == "nps"


@pytest.mark.parametrize("arguments", [["results", "npss"], ["texts", "nps", "--campaign", "none"]])
async def test_a_survey_that_is_not_there(
    harness: Harness, deployment: str, capsys: Output, arguments: list[str]
) -> None:
    await harness.run_campaign(CAMPAIGN, {"nps.liquid": TEMPLATE})
    assert await asyncio.to_thread(run, ["surveys", *arguments]) == 1
    assert "there is no survey" in capsys.readouterr().err
