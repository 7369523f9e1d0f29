"""Answers are read by their questions, and lead to the next one."""

from typing import Any

import pytest
from msgspec import convert

from domain.surveys.answers import MAX_TEXT_CHARACTERS, InvalidAnswerError, find_next, find_open, read_answer
from domain.surveys.survey import Survey

TEXT = [{"t": "text", "v": "?"}]
OPTIONS = [{"value": value, "label": value.title()} for value in ("price", "speed", "other")]
SURVEY = convert(
    {
        "questions": [
            {
                "id": "nps",
                "type": "nps",
                "text": TEXT,
                "required": True,
                "next": [{"when": {"min": 9}, "to": "story"}, {"when": {"min": 7}, "to": "end"}],
            },
            {"id": "reasons", "type": "multi", "text": TEXT, "options": OPTIONS},
            {
                "id": "main",
                "type": "single",
                "text": TEXT,
                "options": OPTIONS,
                "next": [{"when": {"is": ["price"]}, "to": "end"}],
            },
            {"id": "story", "type": "text", "text": TEXT, "next": []},
        ],
        "thanks": TEXT,
        "position": "corner",
    },
    Survey,
)


@pytest.mark.parametrize(
    ("question", "given", "said"),
    [
        ("nps", 0, {"score": 0}),
        ("nps", 10, {"score": 10}),
        ("reasons", ["other", "price", "price"], {"values": ["price", "other"]}),
        ("main", "speed", {"value": "speed"}),
        ("story", "  It just works. \0", {"text": "It just works."}),
        ("story", "x" * 9_999, {"text": "x" * MAX_TEXT_CHARACTERS}),
    ],
)
def test_an_answer_is_of_its_questions_type(question: str, given: object, said: dict[str, Any]) -> None:
    found = SURVEY.find(question)
    assert found is not None
    assert read_answer(found, given).properties() == {"question": question, "type": found.type, **said}


@pytest.mark.parametrize(
    ("question", "given", "right"),
    [
        ("nps", 11, "from 0 to 10"),
        ("nps", -1, "from 0 to 10"),
        ("nps", True, "a whole number"),
        ("nps", "9", "a whole number"),
        ("nps", 9.0, "a whole number"),
        ("nps", None, "a whole number"),
        ("reasons", [], "a list of price, speed, other"),
        ("reasons", ["cost"], "a list of price"),
        ("reasons", "price", "a list of price"),
        ("reasons", [["price"]], "a list of price"),
        ("main", "cost", "one of price, speed, other"),
        ("main", {"price": 1}, "one of price"),
        ("story", "  ", "a text"),
        ("story", 7, "a text"),
    ],
)
def test_another_answer_is_refused_with_what_would_be_right(question: str, given: object, right: str) -> None:
    found = SURVEY.find(question)
    assert found is not None
    with pytest.raises(InvalidAnswerError, match=f"`{question}` is answered by .*{right}"):
        read_answer(found, given)


@pytest.mark.parametrize(
    ("question", "given", "then"),
    [
        ("nps", 10, "story"),
        ("nps", 8, None),
        ("nps", 3, "reasons"),
        ("reasons", ["price"], "main"),
        ("reasons", None, "main"),
        ("main", "price", None),
        ("main", "speed", "story"),
        ("story", "Well", None),
    ],
)
def test_an_answer_leads_to_the_next_question(question: str, given: object, then: str | None) -> None:
    found = SURVEY.find(question)
    assert found is not None
    after = find_next(SURVEY, found, None if given is None else read_answer(found, given))
    assert (None if after is None else after.id) == then


@pytest.mark.parametrize(
    ("given", "then"),
    [
        ({}, "nps"),
        ({"nps": 8}, None),
        ({"nps": 3}, "reasons"),
        ({"nps": 3, "reasons": ["speed"], "main": "other"}, "story"),
        # An answer beside the way is none of it.
        ({"story": "Well"}, "nps"),
        ({"nps": 10, "story": "Well"}, None),
    ],
)
def test_a_survey_goes_on_where_it_was_left(given: dict[str, object], then: str | None) -> None:
    answers = {id: read_answer(question, given[id]) for id in given if (question := SURVEY.find(id)) is not None}
    found = find_open(SURVEY, answers)
    assert (None if found is None else found.id) == then
