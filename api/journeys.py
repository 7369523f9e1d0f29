"""List and show journeys, end them, and skip their waits."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field

from api.auth import Operator, Reader, allow
from api.dependencies import WHOLE, InstantField, RequestModel, ResponseModel, TextField, Using, example
from api.operations import Operation
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.personal_fields import PeopleAnswer, Personal
from api.problems import refusals
from api.routes import Route
from api.users import TimelineItem
from application.journeys import select_waiting
from domain.access import Scope
from domain.errors import ConflictError, InvalidCursorError, NotFoundError
from domain.journey.filters import JourneyFilter
from domain.journey.state import JourneyStatus, StoredState

router = APIRouter(
    prefix="/v1/journeys", tags=["Journeys"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

_EVENT_ID = "019a4d6c-2b7a-7c31-9b0e-5f1f6f0c9a11"
JOURNEY: dict[str, Any] = {
    "id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e90",
    "campaign": "abandoned-cart",
    "version": 2,
    "user_id": "u-4711",
    "account_id": None,
    "state": "active",
    "outcome": None,
    "step": "cool-off",
    "status": "waiting",
    "wakes_at": "2026-11-22T08:30:00Z",
    "entered_at": "2026-11-22T08:00:00Z",
    "ended_at": None,
    "entry_key": "c-1",
    "url": "http://localhost:8233/namespaces/default/workflows/abandoned-cart%2Fu-4711%2F2f1c3b5a7e90",
}
_LINE: dict[str, Any] = {
    "at": "2026-11-22T08:00:00Z",
    "kind": "entry",
    "summary": "entered abandoned-cart",
    "outcome": "entered",
    "campaign": "abandoned-cart",
    "journey_id": JOURNEY["id"],
    "step": None,
    "reason": None,
    "data": {"event_id": _EVENT_ID},
    "url": JOURNEY["url"],
}

Name = Annotated[TextField, Field(min_length=1, max_length=255)]
# The range of PostgreSQL's integer.
VersionFilter = Annotated[int, Field(ge=1, le=2**31 - 1), WHOLE]
JourneyId = Annotated[UUID, Path(examples=[JOURNEY["id"]])]


class JourneyFields(RequestModel):
    """The filter of lists and bulk changes of journeys."""

    campaign: Name | None = None
    version: VersionFilter | None = None
    user: Name | None = Field(None, description="a user's id, or an anonymous one")
    account: Name | None = Field(None, description="the account whose journeys they are")
    step: Name | None = Field(None, description="where an active journey is; with a `state`, where those were last")
    status: JourneyStatus | None = Field(None, description="what an active journey does there")
    entered_after: InstantField | None = Field(None, description="the first instant that counts")
    entered_before: InstantField | None = Field(None, description="the first instant that does not count")

    def filter(self) -> JourneyFilter:
        """Return the filter without the user, which the use case resolves to a profile."""
        given = self.model_dump(include=set(JourneyFilter.__struct_fields__))
        versions = None if self.version is None else (self.version,)
        return JourneyFilter(versions=versions, account_id=self.account, **given)


class JourneyQuery(JourneyFields):
    """Select journeys; all given conditions must hold."""

    model_config = ConfigDict(strict=False)

    state: StoredState | None = None
    outcome: Name | None = Field(None, examples=["engaged"])
    limit: Limit = DEFAULT_LIMIT
    after: After = None


class ManyRequest(JourneyFields):
    """Select active journeys of a campaign; all given conditions must hold."""

    model_config = example({"campaign": "abandoned-cart", "version": 2, "step": "cool-off"})

    campaign: Name
    dry_run: Annotated[bool, Field(description="only count them")] = False


class SkipRequest(ManyRequest):
    """Select waiting journeys; all given conditions must hold."""

    status: Literal["waiting"] | None = None


class Journey(PeopleAnswer):
    model_config = example(JOURNEY)

    id: UUID
    campaign: str = Field(examples=["abandoned-cart"])
    version: int
    user_id: str | None = Field(examples=["u-4711"], description="null for a user known by an anonymous id only")
    account_id: str | None = Field(
        examples=["acme"],
        description="the account whose journey it is; then `user_id` is the member that its steps see",
    )
    state: StoredState = Field(examples=["active"])
    outcome: str | None = Field(examples=["engaged"], description="how it ended")
    step: str | None = Field(examples=["cool-off"], description="where it is, or was last")
    status: JourneyStatus | None = Field(
        examples=["waiting"],
        description="waiting (a delay or an event), deferred (a message: send window or caps), held (the campaign is "
        "paused) or acting; null once it is over",
    )
    wakes_at: datetime | None = Field(description="when it goes on by itself, where that is known")
    entered_at: datetime
    ended_at: datetime | None
    entry_key: Personal[str] = Field(examples=["c-1"], description="what tells the journeys of one user apart")
    url: str = Field(description="its page in the Temporal UI")


class JourneyList(PeopleAnswer):
    model_config = example({"journeys": [JOURNEY], "next": None})

    journeys: list[Journey]
    next: str | None = Field(description="pass it as `after` for older ones; null at the end")


class JourneyStory(Journey):
    model_config = example(
        {**JOURNEY, "entry_event_id": _EVENT_ID, "zone": "Europe/Berlin", "timeline": [_LINE], "next": None}
    )

    entry_event_id: str = Field(description="the `event_id` that the timeline has of the event that let them in")
    zone: str = Field(
        examples=["Europe/Berlin"], description="the time zone by which its steps go: the person's, else the campaign's"
    )
    timeline: list[TimelineItem] = Field(description="what was decided for it, its messages and its end, oldest first")
    next: str | None = Field(description="pass it as `before` for what came earlier; null at the beginning")


class CountedJourneys(ResponseModel):
    """The result of a dry run."""

    model_config = example({"journeys": 1500})

    journeys: int = Field(examples=[1500])


_DRY_RUN: dict[int | str, dict[str, Any]] = {
    200: {"model": CountedJourneys, "description": "A dry run: how many it would be"}
}
_ONE = refusals(NotFoundError, ConflictError)


@router.get("", responses=refusals(InvalidCursorError, NotFoundError))
async def list_journeys(services: Using, query: Annotated[JourneyQuery, Query()], by: Reader) -> JourneyList:
    """Journeys, newest first. An unknown campaign, version or user is refused."""
    rows = await services.journeys.list(
        query.filter(), user=query.user, limit=query.limit + 1, after=position(query.after, UUID), by=by
    )
    journeys, next = cut(rows, query.limit, lambda journey: journey.id)
    return JourneyList(journeys=[Journey.model_validate(each) for each in journeys], next=next)


@router.get("/{id}", responses=refusals(NotFoundError, InvalidCursorError))
async def get_journey(
    id: JourneyId,
    services: Using,
    by: Reader,
    limit: Limit = DEFAULT_LIMIT,
    before: Annotated[TextField | None, Query(description="`next` of the page before")] = None,
) -> JourneyStory:
    """One journey: its position, and its latest decisions with reasons."""
    return JourneyStory.model_validate(await services.journeys.get(id, limit=limit, before=before, by=by))


@router.post("/exit", status_code=202, response_model=Operation, responses={**_DRY_RUN, **refusals(NotFoundError)})
async def exit_many(request: ManyRequest, services: Using, by: Operator) -> Operation | Response:
    """End many journeys, page by page; the operation shows the progress."""
    if request.dry_run:
        return _count_response(await services.journeys.count(request.filter(), user=request.user))
    operation = await services.journeys.exit_many(request.filter(), user=request.user, by=by)
    return Operation.model_validate(operation)


@router.post("/skip", status_code=202, response_model=Operation, responses={**_DRY_RUN, **refusals(NotFoundError)})
async def skip_many(request: SkipRequest, services: Using, by: Operator) -> Operation | Response:
    """Skip the waits of many journeys, page by page; the operation shows the progress."""
    if request.dry_run:
        return _count_response(await services.journeys.count(select_waiting(request.filter()), user=request.user))
    operation = await services.journeys.skip_many(request.filter(), user=request.user, by=by)
    return Operation.model_validate(operation)


@router.post("/{id}/exit", responses=_ONE)
async def exit_journey(id: JourneyId, services: Using, by: Operator) -> Journey:
    """End an active journey. A message that is being sent settles."""
    return Journey.model_validate(await services.journeys.exit(id, by=by))


@router.post("/{id}/skip", responses=_ONE)
async def skip_journey(id: JourneyId, services: Using, by: Operator) -> Journey:
    """End a journey's wait at once, as if its time were over.

    A message that waits for its send window, the frequency caps or a paused campaign is not sent earlier: 409 with the
    reason.
    """
    return Journey.model_validate(await services.journeys.skip(id, by=by))


def _count_response(journeys: int) -> Response:
    return JSONResponse({"journeys": journeys})
