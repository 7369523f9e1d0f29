"""A survey in the app: it waits for its person, an answer moves the journey, and results count who has seen it."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from msgspec import convert

from application.catalogue import Catalogue
from application.inbox import Inboxes
from application.ingest import Ingest
from application.reports import ReportResult, Reports
from channels.provider_kind import ProviderContext
from channels.slack import slack
from channels.slack.slack import SlackApi
from cli.documents import templates_beside
from domain.people.identity import Identity
from domain.sending.providers.slack import SlackModel
from domain.sending.reports import ProviderReport, ReportKind
from domain.surveys.answers import find_report_id, read_answer
from domain.surveys.survey import Survey
from store.database import Database
from tests.channels.local_providers import put_at
from tests.channels.servers import Service, answer, listening
from tests.examples.harness import EXAMPLES
from tests.harness import Harness

PROVIDERS = """
providers:
  team: {kind: slack, channel: slack, token: {env: SOJOURN_SECRET_SLACK}}
"""


@dataclass
class Page:
    """The page of someone who is asked."""

    reports: Reports
    message: UUID
    survey: Survey

    async def tells(self, kind: ReportKind, question: str = "", given: object = None) -> ReportResult:
        """Report a reaction, as the client API does."""
        asked = self.survey.find(question)
        report = ProviderReport(
            kind=kind,
            event_id=find_report_id(self.message, question) if asked else f"{self.message} {kind}",
            message_id=self.message,
            at=datetime.now(UTC),
            answer=None if asked is None else read_answer(asked, given),
        )
        return await self.reports.apply("in_app", [report], received_at=datetime.now(UTC))


@pytest.fixture
async def service(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """Slack."""
    service = Service(replies={"POST": answer(200, b'{"ok": true, "channel": "C1", "ts": "1.2"}')})
    async with listening(service.talk) as port:

        def open_slack(_: SlackModel, __: ProviderContext) -> SlackApi:
            return SlackApi("token", f"http://127.0.0.1:{port}")

        put_at(monkeypatch, slack.KIND, open_slack)
        await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": PROVIDERS})
        await harness.run_campaign((EXAMPLES / "ask-in-app.yaml").read_text(), templates_beside(EXAMPLES / "any.yaml"))
        yield service


@pytest.fixture
async def page(harness: Harness, service: Service, database_url: str) -> AsyncIterator[Page]:
    """Ada uses the reports, and her page has taken the survey."""
    await harness.identify("ada", name="Ada")
    await harness.track("ada", "Feature Used", {"feature": "reports"})
    [message] = await harness.messages.until(channel="in_app", state="sent")
    await harness.rests(await harness.journey("ada"), "answer")
    async with Database(database_url, pool_size=4) as database:
        catalogue = Catalogue()
        inbox = Inboxes(database, catalogue, "UTC")
        view = await inbox.read(Identity("user", "ada"), await database.now())
        [shown] = await inbox.load(view.messages)
        assert shown.message_id == message["id"]
        assert shown.kind == "survey"
        survey = convert(shown.content, Survey)
        yield Page(Reports(database, catalogue, Ingest(database, catalogue)), shown.message_id, survey)


async def results(harness: Harness) -> dict[str, Any]:
    [group] = (await harness.admin("GET", "/v1/surveys/ask-reports/results"))["groups"] or [{"shown": 0}]
    return dict(group)


async def test_a_satisfied_user_is_left_in_peace(harness: Harness, page: Page, service: Service) -> None:
    assert (await results(harness))["shown"] == 0
    await page.tells("opened")
    assert ((await results(harness))["shown"], (await results(harness))["answered"]) == (1, 0)
    assert await page.tells("answered", "stars", 5) == ReportResult(applied=1)
    assert await page.tells("answered", "stars", 1) == ReportResult(repeated=1)
    assert (await harness.ended("ada"))["outcome"] == "satisfied"
    found = await results(harness)
    stars = found["questions"][0]
    assert (found["answered"], stars["answers"], stars["mean"]["value"]) == (1, 1, 5.0)
    assert service.requests == []


async def test_the_team_hears_of_someone_who_is_not(harness: Harness, page: Page, service: Service) -> None:
    await page.tells("answered", "stars", 2)
    # The page goes on asking while the journey has moved.
    assert await page.tells("answered", "missed", ["speed", "export"]) == ReportResult(applied=1)
    assert (await harness.ended("ada"))["outcome"] == "completed"
    [told] = [json.loads(one.body) for one in service.requests]
    assert (told["channel"], told["text"].strip()) == ("#product", "Ada gave reports 2 of 5 stars.")
    [_, missed] = (await results(harness))["questions"]
    assert {one["value"]: one["answers"] for one in missed["distribution"]} == {"export": 1, "speed": 1, "other": 0}
