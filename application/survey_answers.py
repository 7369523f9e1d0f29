"""Answers that pages and apps report: read by the survey of their message."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.errors import InvalidRequestError
from domain.sending.reports import ProviderReport
from domain.surveys.answers import InvalidAnswerError, SurveyAnswer, find_report_id, read_answer
from store import survey_answers
from store.database import Connection


async def build_reports(
    connection: Connection, message_id: UUID, answers: Mapping[str, Any], at: datetime
) -> list[ProviderReport]:
    """Return the report of each answer, by question. Raises InvalidRequestError."""
    survey = await survey_answers.find_survey(connection, message_id)
    if survey is None:
        raise InvalidRequestError("this message asks nothing")
    reports: list[ProviderReport] = []
    for id, given in answers.items():
        question = survey.find(id)
        if question is None:
            known = ", ".join(one.id for one in survey.questions)
            raise InvalidRequestError(f"the survey has no question `{id[:64]}`; it has {known}")
        try:
            reports.append(build_report(message_id, read_answer(question, given), at))
        except InvalidAnswerError as error:
            raise InvalidRequestError(str(error)) from error
    return reports


def build_report(message_id: UUID, answer: SurveyAnswer, at: datetime) -> ProviderReport:
    """Return the report of an answer: the same id for each to its question."""
    id = find_report_id(message_id, answer.question)
    return ProviderReport(kind="answered", event_id=id, message_id=message_id, at=at, answer=answer)
