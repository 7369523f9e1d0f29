"""Cases that the tests of `browser` read as well: a rule that both sides have means the same on both."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import convert

from domain.channels.in_app.theme import choose_palette
from domain.sending.inbox import is_used_up
from domain.surveys.answers import find_next, read_answer
from domain.surveys.survey import Survey
from tests.domain.sending.test_inbox import message

CASES = Path(__file__).parents[4] / "browser" / "tests" / "cases"
AT = datetime(2026, 12, 1, 12, tzinfo=UTC)


def read(name: str) -> Any:
    return json.loads((CASES / f"{name}.json").read_text())


BRANCHES = read("branches")


@pytest.mark.parametrize("case", BRANCHES["cases"], ids=str)
def test_the_next_question_is_that_of_the_page(case: dict[str, Any]) -> None:
    survey = convert({"questions": BRANCHES["questions"]}, Survey)
    question = survey.find(case["question"])
    assert question is not None
    answer = None if case["answer"] is None else read_answer(question, case["answer"])
    found = find_next(survey, question, answer)
    assert (found and found.id) == case["next"]


@pytest.mark.parametrize("case", read("frequency"), ids=str)
def test_a_message_shows_as_often_as_on_the_page(case: dict[str, Any]) -> None:
    shows = [AT - timedelta(seconds=seconds) for seconds in case["shown_seconds_ago"]]
    reported = dict.fromkeys(case["reported"], AT - timedelta(hours=1))
    if shows:
        reported["shown_at"] = min(shows)
    assert is_used_up(message(case["every"], shows, **reported), AT) is not case["may_show"]


@pytest.mark.parametrize("case", read("palettes"), ids=str)
def test_the_colours_are_those_of_the_page(case: dict[str, Any]) -> None:
    assert choose_palette(case["theme"], case["scheme"]) == case["palette"]
