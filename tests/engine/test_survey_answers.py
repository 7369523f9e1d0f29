"""Answers to surveys: the first one to each question counts, whatever races."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from application.catalogue import Catalogue
from application.ingest import Ingest
from application.merges import Merges
from application.reports import ReportResult, Reports
from domain.access import Actor
from domain.sending.reports import ProviderReport
from domain.surveys.answers import ANSWERED_EVENT, SurveyAnswer, find_report_id
from store.database import Database
from tests.engine.ingesting import AT
from tests.engine.test_reports import LETTER, PROVIDER, handed_over
from tests.harness import Harness
from tests.proofs import rounds

ROUNDS = rounds(3, 60)
AT_ONCE = 8


@pytest.fixture
async def reports(database_url: str) -> AsyncIterator[Reports]:
    async with Database(database_url, pool_size=AT_ONCE + 2) as database:
        catalogue = Catalogue()
        yield Reports(database, catalogue, Ingest(database, catalogue))


def answered(message: UUID, score: int, question: str = "nps", hours: float = 1) -> ProviderReport:
    return ProviderReport(
        kind="answered",
        event_id=find_report_id(message, question),
        message_id=message,
        at=AT + timedelta(hours=hours),
        answer=SurveyAnswer(question=question, type="nps", score=score),
    )


async def apply(reports: Reports, *told: ProviderReport) -> ReportResult:
    return await reports.apply(PROVIDER, told, received_at=AT + timedelta(days=20))


async def heard(harness: Harness) -> list[int]:
    events = await harness.query("SELECT properties FROM events WHERE name = %s ORDER BY recorded_at", ANSWERED_EVENT)
    return [event["properties"]["score"] for event in events]


async def kept(harness: Harness) -> list[tuple[str, int]]:
    rows = await harness.query("SELECT question, score FROM survey_answers ORDER BY question")
    return [(row["question"], row["score"]) for row in rows]


async def test_an_answer_is_kept_with_its_place_and_is_an_event(harness: Harness, reports: Reports) -> None:
    await harness.run_campaign(LETTER)
    [id] = await handed_over(harness)
    assert await apply(reports, answered(id, 9)) == ReportResult(applied=1)
    [row] = await harness.query("SELECT * FROM survey_answers")
    [message] = await harness.query("SELECT profile_id, journey_id, opened_at, clicked_at FROM messages")
    assert (row["message_id"], row["profile_id"], row["journey_id"]) == (
        id,
        message["profile_id"],
        message["journey_id"],
    )
    assert (row["campaign_key"], row["campaign_version"], row["step"]) == ("letter", 1, "hello")
    assert (row["template"], row["channel"], row["type"], row["score"]) == ("note", "email", "nps", 9)
    assert row["at"] == message["opened_at"] == message["clicked_at"] == AT + timedelta(hours=1)
    [event] = await harness.query("SELECT properties, user_id FROM events WHERE name = %s", ANSWERED_EVENT)
    wanted = {"question": "nps", "type": "nps", "score": 9, "template": "note", "message_id": str(id)}
    assert wanted.items() <= event["properties"].items()
    assert event["user_id"] == "u1"


async def test_of_answers_that_race_one_counts(harness: Harness, reports: Reports) -> None:
    await harness.run_campaign(LETTER)
    ids = await handed_over(harness, "u1", *["sent"] * ROUNDS)
    for number, id in enumerate(ids, 1):
        told = [answered(id, score) for score in range(AT_ONCE)]
        results = await asyncio.gather(*(apply(reports, one) for one in told))
        assert sum(one.applied for one in results) == 1
        assert sum(one.repeated for one in results) == AT_ONCE - 1
        [row] = await harness.query("SELECT score FROM survey_answers WHERE message_id = %s", id)
        scores = await heard(harness)
        assert len(scores) == number
        assert scores[-1] == row["score"]


async def test_an_answer_counts_once_when_its_report_is_long_forgotten(harness: Harness, reports: Reports) -> None:
    await harness.run_campaign(LETTER)
    [id] = await handed_over(harness)
    await apply(reports, answered(id, 9))
    assert await harness.query("DELETE FROM callback_ids RETURNING event_id")
    result = await apply(reports, answered(id, 1, hours=2), answered(id, 4, "again", hours=3))
    assert result == ReportResult(applied=1, repeated=1)
    assert await kept(harness) == [("again", 4), ("nps", 9)]
    assert await heard(harness) == [9, 4]


async def test_answers_follow_their_person_through_a_merge_and_its_undo(
    database_url: str, harness: Harness, reports: Reports
) -> None:
    await harness.run_campaign(LETTER)
    [id] = await handed_over(harness, "a")
    await handed_over(harness, "b")
    await apply(reports, answered(id, 9))

    async def owners() -> list[str]:
        rows = await harness.query(
            "SELECT user_id FROM survey_answers JOIN profiles ON profiles.id = profile_id ORDER BY question"
        )
        return [row["user_id"] for row in rows]

    async with Database(database_url, pool_size=2) as database:
        merges = Merges(database, Catalogue())
        await merges.merge("b", "a", by=Actor("k1", "support"))
        assert await owners() == ["b"]
        await apply(reports, answered(id, 5, "while one"))
        await merges.undo("b", "a", by=Actor("k1", "support"))
    assert await owners() == ["a", "a"]
