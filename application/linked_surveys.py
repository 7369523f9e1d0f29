"""Surveys that messages link to: kept before they go, answered on a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from application.callbacks import ReportGroups
from application.links import LinkReader
from domain.errors import ClosedSurveyError
from domain.sending.reports import ProviderReport
from domain.surveys.answers import InvalidAnswerError, find_next, find_open, find_report_id, read_texts
from domain.surveys.survey import Question, Survey
from domain.templates.linked_surveys import SURVEY
from store import reported_messages, survey_answers
from store.database import Database


async def keep_survey(database: Database, message_id: UUID, content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Keep the survey of a rendered message, and return its content without that."""
    if SURVEY not in content:
        return content
    async with database.transaction() as connection:
        await survey_answers.keep_survey(connection, message_id, content[SURVEY])
    return {key: value for key, value in content.items() if key != SURVEY}


AnswerOutcome = Literal["kept", "unreadable"] | None


@dataclass(frozen=True, slots=True)
class SurveyProgress:
    """A survey, and the question that its recipient is asked now; None at the end.

    `outcome` says what became of the answer to the question before, if there was one.
    """

    survey: Survey
    question: Question | None
    locale: str | None
    outcome: AnswerOutcome = None

    @property
    def is_first(self) -> bool:
        """Whether it is the question that the links of the message answer."""
        return self.question is not None and self.question.id == self.survey.questions[0].id


class SurveyPages:
    """Shows the questions of a survey one by one, and takes their answers."""

    def __init__(self, links: LinkReader, reports: ReportGroups) -> None:
        self._links = links
        self._reports = reports

    async def describe(self, token: str) -> SurveyProgress:
        """Return the first open question.

        Raises InvalidLinkError, NotFoundError and ClosedSurveyError.
        """
        asked = await self._open(token)
        return await self._view(asked, asked.survey.questions[0])

    async def answer(self, token: str, question_id: str, texts: Sequence[str]) -> SurveyProgress:
        """Take the answer of a form to a question, and return the next one.

        The first answer counts. Without one, a question that is not required is left out.
        """
        asked = await self._open(token)
        question = asked.survey.find(question_id)
        if question is None:
            return await self._view(asked, asked.survey.questions[0])
        if not "".join(texts).strip() and not question.required:
            return await self._view(asked, find_next(asked.survey, question, None))
        try:
            answer = read_texts(question, texts)
        except InvalidAnswerError:
            return await self._view(asked, question, "unreadable")
        now = self._links.database.clock.now()
        id = find_report_id(asked.message_id, question.id)
        report = ProviderReport(kind="answered", event_id=id, message_id=asked.message_id, at=now, answer=answer)
        await self._reports.apply(asked.provider, [report])
        return await self._view(asked, question, "kept")

    async def _open(self, token: str) -> "_AskedSurvey":
        opened = await self._links.open("survey", token)
        message_id = UUID(opened.link.message_id)
        async with self._links.database.transaction() as connection:
            survey = await survey_answers.find_survey(connection, message_id)
            provider = await reported_messages.find_provider(connection, message_id)
        if survey is None or provider is None:
            raise ClosedSurveyError("the survey of this link is closed")
        return _AskedSurvey(message_id, provider, survey, opened.locale)

    async def _view(
        self, asked: "_AskedSurvey", question: Question | None, outcome: AnswerOutcome = None
    ) -> SurveyProgress:
        """Return the first open question from one on."""
        async with self._links.database.transaction() as connection:
            answers = await survey_answers.find_answers(connection, asked.message_id)
        return SurveyProgress(asked.survey, find_open(asked.survey, answers, question), asked.locale, outcome)


@dataclass(frozen=True, slots=True)
class _AskedSurvey:
    message_id: UUID
    provider: str
    survey: Survey
    locale: str | None
