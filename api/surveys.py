"""Surveys: what they ask, their results, and the texts that people wrote."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from api.auth import Reader, allow
from api.dependencies import InstantField, ResponseModel, TextField, Using, example
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.personal_fields import PeopleAnswer, Personal
from api.problems import refusals
from api.routes import Route
from application.survey_results import SurveyQuery
from domain.access import Scope
from domain.errors import InvalidCursorError, InvalidRequestError, NotFoundError
from domain.surveys.results import Grouping
from domain.surveys.survey import QuestionType
from store.survey_results import TextPosition

router = APIRouter(prefix="/v1/surveys", tags=["Surveys"], dependencies=[Depends(allow(Scope.READ))], route_class=Route)

_QUESTION: dict[str, Any] = {"id": "nps", "type": "nps", "options": []}
_SURVEY: dict[str, Any] = {
    "template": "nps",
    "campaign": "ask-after-delivery",
    "version": 3,
    "questions": [_QUESTION],
    "answered": 412,
    "last_answer_at": "2026-11-22T08:00:00Z",
}
_NPS: dict[str, Any] = {"value": 31.2, "low": 23.9, "high": 38.0}
_GRADE: dict[str, Any] = {"value": "9", "answers": 118, "share": {"value": 0.286, "low": 0.245, "high": 0.332}}
_RESULT: dict[str, Any] = {
    "question": "nps",
    "type": "nps",
    "answers": 412,
    "nps": _NPS,
    "csat": None,
    "mean": {"value": 7.6, "low": 7.37, "high": 7.83},
    "distribution": [_GRADE],
}
_GROUP: dict[str, Any] = {
    "group": "",
    "shown": 1204,
    "answered": 412,
    "response_rate": {"value": 0.342, "low": 0.316, "high": 0.369},
    "questions": [_RESULT],
}
_TEXT: dict[str, Any] = {
    "message_id": "5f0c6a1e-6a0e-5d39-a9c5-1b6a7c1f0f5d",
    "question": "why",
    "campaign": "ask-after-delivery",
    "text": "It came two days late.",
    "at": "2026-11-22T08:00:00Z",
    "profile_id": "019a4d6c-1111-7c31-9b0e-5f1f6f0c9a11",
    "user_id": "u-4711",
    "anonymous_id": None,
}

SurveyTemplateName = Annotated[TextField, Path(max_length=255, examples=["nps"], description="the survey's template")]
OfCampaign = Annotated[
    TextField | None, Query(max_length=255, examples=["ask-after-delivery"], description="only of this campaign")
]
From = Annotated[
    InstantField | None, Query(alias="from", examples=["2026-11-01T00:00:00Z"], description="from then on")
]
Before = Annotated[InstantField | None, Query(alias="to", examples=["2026-12-01T00:00:00Z"], description="before that")]


class SurveyQuestion(ResponseModel):
    id: str
    type: QuestionType
    options: list[str] = Field(description="the values of a choice")


class SurveyView(ResponseModel):
    model_config = example(_SURVEY)

    template: str
    campaign: str
    version: int = Field(description="the latest that asks")
    questions: list[SurveyQuestion]
    answered: int = Field(description="messages with an answer in the last 30 days, of all versions")
    last_answer_at: datetime | None = Field(description="of any time")


class SurveyList(ResponseModel):
    model_config = example({"surveys": [_SURVEY]})

    surveys: list[SurveyView]


class Bounds(ResponseModel):
    """A number, most likely from `low` to `high`: 95 of 100 such intervals contain it."""

    value: float
    low: float
    high: float


class AnswersOfValue(ResponseModel):
    value: str = Field(description="the grade, or the value of the option")
    answers: int
    share: Bounds = Field(description="of the answers, from 0 to 1, with Wilson's interval")


class QuestionResults(ResponseModel):
    question: str
    type: QuestionType
    answers: int
    nps: Bounds | None = Field(description="from -100 to 100, with the adjusted Wald interval; null for other types")
    csat: Bounds | None = Field(description="the share of 4 and 5, with Wilson's interval; null for other types")
    mean: Bounds | None = Field(description="of the grades, with 1.96 standard errors; null without grades")
    distribution: list[AnswersOfValue] = Field(description="of each grade or option; empty without answers")


class SurveyGroup(ResponseModel):
    group: str = Field(description="empty for everyone")
    shown: int = Field(description="messages that were shown: in the app to a person, elsewhere sent and not bounced")
    answered: int = Field(description="those of them with an answer")
    response_rate: Bounds | None = Field(description="answered of shown, with Wilson's interval")
    questions: list[QuestionResults]


class SurveyResultView(ResponseModel):
    model_config = example({"template": "nps", "begin": "2026-11-01T00:00:00Z", "end": None, "groups": [_GROUP]})

    template: str
    begin: datetime
    end: datetime | None
    groups: list[SurveyGroup]


class SurveyText(ResponseModel):
    message_id: UUID
    question: str
    campaign: str
    text: Personal[str]
    at: datetime
    profile_id: UUID = Field(description="Sojourn's own id of the profile: `?kind=profile` in the paths of a user")
    user_id: str | None
    anonymous_id: str | None = Field(description="of a person without a user id: the first of them")


class SurveyTextList(PeopleAnswer):
    model_config = example({"texts": [_TEXT], "next": None})

    texts: list[SurveyText]
    next: str | None = Field(description="pass it as `after`; null at the end")


@router.get("")
async def list_surveys(services: Using) -> SurveyList:
    """The surveys of all campaigns, with how many messages were answered lately."""
    return SurveyList.model_validate({"surveys": await services.survey_results.list_surveys()})


@router.get("/{template}/results", responses=refusals(InvalidRequestError, NotFoundError))
async def get_results(
    template: SurveyTemplateName,
    services: Using,
    campaign: OfCampaign = None,
    by: Annotated[
        Grouping | None,
        Query(examples=["version"], description="tell the answers apart; people and segments as of now"),
    ] = None,
    begin: Annotated[
        InstantField | None,
        Query(alias="from", examples=["2026-11-01T00:00:00Z"], description="30 days before `to`, or now, if left out"),
    ] = None,
    end: Before = None,
) -> SurveyResultView:
    """The results of a survey by question, with intervals, in one snapshot.

    The period is that of the answers; for the response rate, of the messages: those that were sent in it or, in the
    app, given to a page.
    """
    found = await services.survey_results.compute(SurveyQuery(template, campaign, begin, end), by)
    return SurveyResultView.model_validate(
        {"template": template, "begin": found.begin, "end": found.end, "groups": found.groups}
    )


@router.get("/{template}/texts", responses=refusals(NotFoundError, InvalidCursorError))
async def list_texts(
    template: SurveyTemplateName,
    services: Using,
    reader: Reader,
    question: Annotated[TextField | None, Query(max_length=255, examples=["why"], description="its id")] = None,
    campaign: OfCampaign = None,
    begin: From = None,
    end: Before = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> SurveyTextList:
    """The texts that people wrote, the latest first.

    The audit log records each reader of a survey, once a day.
    """
    query = SurveyQuery(template, campaign, begin, end)
    rows = await services.survey_results.list_texts(
        query, question, position(after, TextPosition), limit + 1, by=reader
    )
    texts, next = cut(rows, limit, lambda row: TextPosition(row.at, row.message_id, row.question))
    return SurveyTextList.model_validate({"texts": texts, "next": next})
