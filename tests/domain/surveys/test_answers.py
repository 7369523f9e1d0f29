"""Answers are read by their questions, and lead to the next one."""

from typing import Any

import pytest
from msgspec import convert

from domain.surveys.answers import (
    MAX_TEXT_CHARACTERS,
    InvalidAnswerError,
    find_next,
    find_open,
    read_answer,
    read_texts,
)
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
            {
                "id": "reasons",
                "type": "multi",
                "text": TEXT,
                "options": OPTIONS,
                "next": [{"when": {"is": ["other"]}, "to": "story"}, {"when": {"is": ["price"]}, "to": "main"}],
            },
            {
                "id": "main",
                "type": "single",
                "text": TEXT,
                "options": OPTIONS,
                "next": [{"when": {"is": ["price"]}, "to": "end"}],
            },
            {"id": "story", "type": "text", "text": TEXT, "next": [{"when": {}, "to": "end"}]},
            {"id": "stars", "type": "stars", "text": TEXT, "next": [{"when": {"is": [1, 2]}, "to": "end"}]},
            {"id": "more", "type": "text", "text": TEXT},
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
    ("question", "texts", "value"),
    [
        ("nps", ["9"], 9),
        ("nps", ["010"], None),
        ("nps", ["²"], None),
        ("nps", [], None),
        ("reasons", ["other", "price"], ["price", "other"]),
        ("reasons", [], None),
        ("main", ["price"], "price"),
        ("main", ["7"], None),
        ("story", ["7"], "7"),
    ],
)
def test_a_form_has_texts(question: str, texts: list[str], value: object) -> None:
    found = SURVEY.find(question)
    assert found is not None
    if value is None:
        with pytest.raises(InvalidAnswerError):
            read_texts(found, texts)
    else:
        assert read_texts(found, texts).value == value


@pytest.mark.parametrize(
    ("question", "given", "then"),
    [
        ("nps", 10, "story"),
        ("nps", 8, None),
        ("nps", 3, "reasons"),
        ("reasons", ["price"], "main"),
        ("reasons", None, "main"),
        ("reasons", ["price", "other"], "story"),
        ("reasons", ["speed"], "main"),
        ("main", "price", None),
        ("main", "speed", "story"),
        ("story", "Well", None),
        ("story", None, None),
        ("stars", 2, None),
        ("stars", 3, "more"),
        ("more", None, None),
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
        ({"reasons": ["speed"]}, "nps"),
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
    found = find_open(SURVEY, answers, SURVEY.questions[0])
    assert (None if found is None else found.id) == then
