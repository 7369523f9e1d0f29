"""Answers to the questions of a survey: read, and the question that follows."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from domain.surveys.survey import END, Question, QuestionType, Survey

ANSWERED_EVENT: Final = "Survey Answered"
MAX_TEXT_CHARACTERS: Final = 4_000


class InvalidAnswerError(ValueError):
    """An answer that its question cannot have; the text says which would be right."""


class SurveyAnswer(Struct, frozen=True, kw_only=True):
    """The answer to one question: a score, choices or a text, as its type has it."""

    question: str
    type: QuestionType
    score: int | None = None
    choices: tuple[str, ...] | None = None
    text: str | None = None

    @property
    def value(self) -> int | str | list[str]:
        """The answer as conditions and templates see it."""
        if self.score is not None:
            return self.score
        if self.text is not None:
            return self.text
        choices = list(self.choices or ())
        return choices if self.type == "multi" else choices[0]

    def properties(self) -> dict[str, Any]:
        """Return what the event of the answer says."""
        name = {"text": "text", "single": "value", "multi": "values"}.get(self.type, "score")
        return {"question": self.question, "type": self.type, name: self.value}


def read_answer(question: Question, given: object) -> SurveyAnswer:
    """Return what a person has answered. Raises InvalidAnswerError."""
    found = SurveyAnswer(question=question.id, type=question.type)
    if question.grades:
        grades = question.grades
        if isinstance(given, bool) or not isinstance(given, int) or given not in grades:
            raise InvalidAnswerError(f"`{question.id}` is answered by a whole number from {grades[0]} to {grades[-1]}")
        return _with(found, score=given)
    if question.type == "text":
        text = _tidy(given) if isinstance(given, str) else ""
        if not text:
            raise InvalidAnswerError(f"`{question.id}` is answered by a text")
        return _with(found, text=text)
    known = [option.value for option in question.options]
    chosen = [given] if question.type == "single" else given
    if not isinstance(chosen, list) or not chosen or any(one not in known for one in chosen):
        how = "one of" if question.type == "single" else "a list of"
        raise InvalidAnswerError(f"`{question.id}` is answered by {how} {', '.join(known)}")
    return _with(found, choices=tuple(value for value in known if value in chosen))


def read_texts(question: Question, texts: Sequence[str]) -> SurveyAnswer:
    """Return the answer of a form or a link. Raises InvalidAnswerError."""
    if question.type == "multi":
        return read_answer(question, list(texts))
    text = texts[0] if texts else ""
    is_grade = bool(question.grades) and text.isascii() and text.isdigit() and len(text) < 3
    return read_answer(question, int(text) if is_grade else text)


def find_next(survey: Survey, question: Question, answer: SurveyAnswer | None) -> Question | None:
    """Return the question after one that was answered or, without an answer, left out.

    The first rule that holds for any of several choices leads on. None is the end of the survey.
    """
    said = _list_said(answer)
    jump = next((one for one in question.next if one.when.is_for_all or any(map(one.when.holds, said))), None)
    if jump is not None:
        return None if jump.to == END else survey.find(jump.to)
    place = survey.questions.index(question) + 1
    return survey.questions[place] if place < len(survey.questions) else None


def find_open(survey: Survey, answers: Mapping[str, SurveyAnswer], begin: Question | None) -> Question | None:
    """Return the first unanswered question from one on; None at the end.

    A survey has no circles, so the way ends.
    """
    question = begin
    while question is not None and question.id in answers:
        question = find_next(survey, question, answers[question.id])
    return question


class ReportedAnswer(Struct, frozen=True):
    """An answer with the message that asked, and its time."""

    message_id: UUID
    answer: SurveyAnswer
    at: datetime


def find_report_id(message_id: UUID, question: str) -> str:
    """Return the id of the report of an answer: one for each message and question."""
    return f"{message_id} answered {question}"


def _list_said(answer: SurveyAnswer | None) -> Sequence[int | str]:
    if answer is None:
        return ()
    return answer.choices or (() if answer.score is None else (answer.score,))


def _with(answer: SurveyAnswer, **said: Any) -> SurveyAnswer:
    return SurveyAnswer(question=answer.question, type=answer.type, **said)


def _tidy(text: str) -> str:
    """Return a text without what PostgreSQL cannot hold, of a bounded length."""
    return text.replace("\0", "").encode("utf-8", "replace").decode().strip()[:MAX_TEXT_CHARACTERS]
