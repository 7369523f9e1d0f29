"""Reactions as reports: their ids, their times and their answers."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.sending.page_reactions import InvalidReactionError, build_reports, read_reaction
from domain.surveys.survey import Question, Survey

MESSAGE = UUID(int=7)
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
ASKS = Survey((Question("score", "nps", ()), Question("why", "text", ())))


def ids(*reactions: dict[str, Any], survey: Survey | None = None) -> list[str]:
    read = [read_reaction({"message_id": str(MESSAGE), **one}) for one in reactions]
    return [report.event_id for one in read for report in build_reports(one, survey, None, NOW)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"kind": "clicked"}, {"kind": "dismissed"}),
        ({"kind": "clicked", "action": "yes"}, {"kind": "clicked", "action": "no"}),
        ({"kind": "completed", "step": "a"}, {"kind": "completed", "step": "b"}),
        ({"kind": "shown", "at": "2026-11-22T07:00:00Z"}, {"kind": "shown", "at": "2026-11-22T07:30:00Z"}),
        ({"kind": "shown", "step": "a"}, {"kind": "shown", "step": "b"}),
    ],
)
def test_reactions_that_differ_are_two_reports(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert len(set(ids(one, other))) == 2


@pytest.mark.parametrize("kind", ["clicked", "dismissed", "completed", "failed"])
def test_the_first_of_a_kind_counts_whenever_it_is_repeated(kind: str) -> None:
    early = {"kind": kind, "at": "2026-11-22T07:00:00Z"}
    assert len(set(ids(early, {**early, "at": "2026-11-22T07:30:00Z"}, {"kind": kind}))) == 1


def test_answers_are_a_report_for_each_question() -> None:
    found = ids({"kind": "answered", "answers": {"score": 9, "why": "slow"}}, survey=ASKS)
    assert found == [f"{MESSAGE} answered score", f"{MESSAGE} answered why"]
    assert ids({"kind": "answered", "step": "x", "answers": {"score": 1}}, survey=ASKS) == found[:1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "seen"},
        {"kind": "shown", "at": "2026-11-22T07:00:00"},
        {"kind": "shown", "at": 5},
        {"kind": "clicked", "link": "x" * 2_001},
        {"kind": "answered", "answers": {str(number): 1 for number in range(51)}},
        {"kind": "answered", "answers": {"score": 11}},
        {"kind": "answered", "answers": {"other": 1}},
        {"kind": "answered"},
    ],
)
def test_what_cannot_be_read_is_left_out(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidReactionError):
        ids(wrong, survey=ASKS)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "sawn"}, "`kind` is one of `shown`, `clicked`, `dismissed`, `answered`, `completed`, `failed`"),
        ({"kind": ["shown"]}, "`kind` is one of"),
        ({"kind": "answered", "answers": {"scoer": 9}}, "the message asks no such question; it asks `"),
    ],
)
def test_a_refusal_says_what_would_be_right(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidReactionError, match=said):
        ids(wrong, survey=ASKS)


def test_the_clock_of_the_client_is_corrected() -> None:
    behind = NOW - timedelta(hours=3)
    reaction = read_reaction({"message_id": str(MESSAGE), "kind": "shown", "at": behind.isoformat()})
    [report] = build_reports(reaction, None, behind + timedelta(seconds=20), NOW)
    assert report.at == NOW - timedelta(seconds=20)
