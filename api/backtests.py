"""Backtests: what campaigns would have done over the last days."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response
from pydantic import AfterValidator, Field, model_validator

from api.auth import Admin, Reader, allow
from api.backtest_reports import LINE, REPORT, BacktestReport, PersonTrace
from api.dependencies import WHOLE, FileName, RequestModel, ResponseModel, TextField, Using, example
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.personal_fields import PeopleAnswer
from api.problems import refusals
from api.routes import Route
from application.rehearsal.requests import BacktestRequest as RequestedBacktest
from application.rehearsal.requests import BacktestView
from domain.access import Scope
from domain.campaign.durations import DurationError, format_duration, parse_duration
from domain.errors import ConflictError, InvalidCursorError, InvalidDocumentError, NotFoundError
from domain.operations import OperationState
from domain.rehearsal.given_documents import GivenText
from domain.rehearsal.limits import BacktestLimits
from domain.rehearsal.report import Others

router = APIRouter(
    prefix="/v1/backtests", tags=["Campaigns"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

MAX_DOCUMENTS: Final = 100
MAX_USERS: Final = 20
MAX_DAYS: Final = 400
MARKDOWN: Final = "text/markdown"
_SOURCE: Final = "key: abandoned-cart\nname: Abandoned cart\nentry: {event: Cart Abandoned}\nsteps: [{exit: done}]\n"


def _check_period(text: str) -> str:
    try:
        seconds = parse_duration(text)
    except DurationError as error:
        raise ValueError(f"{error.message}: {error.suggestion}") from error
    if not 0 < seconds <= MAX_DAYS * 86_400:
        raise ValueError(f"must be more than 0s and at most {MAX_DAYS}d")
    return text


class BacktestDocument(RequestModel):
    """A campaign with its templates, or another document that decides about messages."""

    file: FileName
    source: Annotated[TextField, Field(max_length=1_000_000, description="YAML")]
    templates: Annotated[
        dict[TextField, TextField],
        Field(default_factory=dict, max_length=500, description="the templates of a campaign, by file name"),
    ]

    def text(self) -> GivenText:
        """Return the document as use cases take it."""
        return GivenText(self.file, self.source, self.templates)


def _check_files(documents: list[BacktestDocument]) -> list[BacktestDocument]:
    names = [one.file for one in documents]
    if len(names) != len(set(names)):
        raise ValueError("must have a `file` of its own for each document")
    return documents


BacktestDocuments = Annotated[list[BacktestDocument], Field(max_length=MAX_DOCUMENTS), AfterValidator(_check_files)]


class BacktestLimitsRequest(RequestModel):
    """Limits that the report compares with."""

    per_person: Annotated[int | None, Field(ge=0, le=1_000_000), WHOLE] = None
    growth: Annotated[
        float | None, Field(ge=0, le=1_000, description="of all messages, with `against`; 0.25 for a quarter")
    ] = None
    silenced: Annotated[
        float | None, Field(ge=0, le=1, description="the share who get none any more, with `against`")
    ] = None


class BacktestRequest(RequestModel):
    model_config = example(
        {
            "documents": [{"file": "abandoned-cart.yaml", "source": _SOURCE, "templates": {}}],
            "last": "30d",
            "others": "simulate",
            "sample": 0.1,
            "segment": None,
            "users": [],
            "against": "running",
            "limits": {"per_person": 20},
        }
    )

    documents: Annotated[
        BacktestDocuments,
        Field(default_factory=list, description="they take the place of what runs; none for what runs"),
    ]
    last: Annotated[
        str,
        Field(max_length=40, description=f"the period until now, at most {MAX_DAYS}d"),
        AfterValidator(_check_period),
    ] = "30d"
    others: Annotated[
        Others, Field(description="simulate the campaigns that no document gives, or take their messages as they went")
    ] = "simulate"
    sample: Annotated[float, Field(gt=0, le=1, description="the share of people, drawn by a hash")] = 1.0
    segment: Annotated[
        TextField | None, Field(min_length=1, max_length=255, description="only those who are members now")
    ] = None
    users: Annotated[
        list[Annotated[TextField, Field(min_length=1, max_length=255)]],
        Field(default_factory=list, max_length=MAX_USERS, description="only these people, with their traces"),
    ]
    against: Annotated[
        Literal["running"] | BacktestDocuments | None,
        Field(description="the version to compare with: what runs, or these documents in its place"),
    ] = None
    limits: BacktestLimitsRequest = BacktestLimitsRequest()

    @model_validator(mode="after")
    def _compares(self) -> Self:
        if self.against is None and (self.limits.growth, self.limits.silenced) != (None, None):
            raise ValueError("`growth` and `silenced` compare two versions: name the other one by `against`")
        return self

    def against_texts(self) -> list[GivenText] | None:
        """Return the documents to compare with; none for what runs."""
        if self.against is None:
            return None
        return [] if self.against == "running" else [one.text() for one in self.against]

    def options(self) -> RequestedBacktest:
        """Return the options as the use case takes them."""
        return RequestedBacktest(
            last=parse_duration(self.last),
            others=self.others,
            sample=self.sample,
            segment=self.segment,
            limits=BacktestLimits(self.limits.per_person, self.limits.growth, self.limits.silenced),
        )


_BACKTEST: dict[str, Any] = {
    "id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e90",
    "state": "running",
    "total": 5000,
    "done": 1500,
    "failure": None,
    "requested_by": "deployments",
    "created_at": "2026-11-22T08:00:00Z",
    "started_at": "2026-11-22T08:00:01Z",
    "finished_at": None,
    "since": "2026-10-23T08:00:00Z",
    "until": "2026-11-22T08:00:00Z",
    "files": ["abandoned-cart.yaml"],
    "against": ["running"],
    "last": "30d",
    "others": "simulate",
    "sample": 0.1,
    "segment": None,
}


class BacktestItem(ResponseModel):
    """A backtest with its progress."""

    model_config = example(_BACKTEST)

    id: UUID = Field(description="also that of its operation, by which it is cancelled")
    state: OperationState
    total: int | None = Field(description="people who are simulated; null until it has begun")
    done: int
    failure: str | None = Field(description="why it has failed, or its last attempt has")
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    since: datetime
    until: datetime
    files: list[str] = Field(description="the documents in place of what runs")
    against: list[str] | None = Field(description="the documents that it is compared with, or `running`; null if none")
    last: str
    others: Others
    sample: float
    segment: str | None

    @classmethod
    def of(cls, view: BacktestView) -> "BacktestItem":
        """Return the answer of a backtest."""
        return cls.model_validate(_describe(view))


class BacktestList(ResponseModel):
    model_config = example({"backtests": [_BACKTEST], "next": None})

    backtests: list[BacktestItem]
    next: str | None = Field(description="pass it as `after` for what was asked for earlier; null at the end")


class StoredDocument(ResponseModel):
    kind: str = Field(examples=["campaign"])
    file: str
    source: str
    templates: dict[str, str]


class ReportedBacktest(BacktestItem, PeopleAnswer):
    """A backtest with its documents, its report and its traces."""

    model_config = example(
        {
            **_BACKTEST,
            "state": "done",
            "done": 5000,
            "finished_at": "2026-11-22T08:01:00Z",
            "documents": [{"kind": "campaign", "file": "abandoned-cart.yaml", "source": _SOURCE, "templates": {}}],
            "against_documents": [],
            "report": REPORT,
            "traces": [{"user_id": "u-4711", "lines": [LINE]}],
            "masked": False,
        }
    )

    documents: list[StoredDocument]
    against_documents: list[StoredDocument]
    report: BacktestReport | None = Field(description="null until it is done")
    traces: list[PersonTrace] = Field(description="of `users`, without those who were erased")


BacktestId = Annotated[UUID, Path(examples=[_BACKTEST["id"]])]


@router.post("", status_code=202, responses=refusals(NotFoundError, ConflictError, InvalidDocumentError))
async def request_backtest(request: BacktestRequest, services: Using, by: Admin) -> BacktestItem:
    """Simulate campaigns over the events of the last days, and send nothing.

    An operation, whose progress is here and at `GET /v1/operations/{id}`, where it is cancelled. Backtests run one
    after the other, at low priority. Reports are kept for 30 days.
    """
    texts = [one.text() for one in request.documents]
    view = await services.backtests.request(texts, request.against_texts(), request.options(), request.users, by=by)
    return BacktestItem.of(view)


@router.get("", responses=refusals(InvalidCursorError))
async def list_backtests(services: Using, limit: Limit = DEFAULT_LIMIT, after: After = None) -> BacktestList:
    """The backtests, newest first, without their reports."""
    rows = await services.backtests.list(limit=limit + 1, before=position(after, UUID))
    shown, next = cut(rows, limit, lambda view: view.backtest.id)
    return BacktestList(backtests=[BacktestItem.of(each) for each in shown], next=next)


@router.get("/{id}", responses=refusals(NotFoundError))
async def get_backtest(id: BacktestId, services: Using, by: Reader) -> ReportedBacktest:
    """One backtest, with its report once it is done.

    The audit log records looks at a report that names people, and at each person who is traced.
    """
    view = await services.backtests.get(id, by=by)
    return ReportedBacktest.model_validate(
        {
            **_describe(view),
            "documents": [_show(one.kind, one.text) for one in view.request.documents],
            "against_documents": [_show(one.kind, one.text) for one in view.request.against or ()],
            "report": view.report,
            "traces": [
                {"user_id": one.user_id, "lines": one.content["lines"]} for one in view.people if one.part == "trace"
            ],
        }
    )


@router.get(
    "/{id}/markdown",
    response_class=Response,
    responses={
        200: {"content": {MARKDOWN: {"schema": {"type": "string"}, "example": "# Backtest\n"}}},
        **refusals(NotFoundError, ConflictError),
    },
)
async def write_backtest(id: BacktestId, services: Using) -> Response:
    """The report in Markdown, which names no person; 409 until it is done."""
    return Response(await services.backtests.write(id), media_type=MARKDOWN)


def _show(kind: str, text: GivenText) -> dict[str, Any]:
    return {"kind": kind, "file": text.file, "source": text.source, "templates": text.templates}


def _describe(view: BacktestView) -> dict[str, Any]:
    one, request = view.backtest, view.request
    against = request.against
    return {
        "id": one.id,
        "state": one.state,
        "total": one.total,
        "done": one.done,
        "failure": one.failure,
        "requested_by": one.requested_by,
        "created_at": one.created_at,
        "started_at": one.started_at,
        "finished_at": one.finished_at,
        "since": one.since,
        "until": one.until,
        "files": [document.text.file for document in request.documents],
        "against": None if against is None else [document.text.file for document in against] or ["running"],
        "last": format_duration(request.last),
        "others": request.others,
        "sample": request.sample,
        "segment": request.segment,
    }
