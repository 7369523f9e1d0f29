"""Holds of all marketing to a person, or to the people of a segment or an area."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from api.auth import Operator, Reader, allow
from api.dependencies import ID_KIND, InstantField, RequestModel, TextField, Using, example
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.personal_fields import PeopleAnswer, Personal
from api.problems import refusals
from api.routes import Route
from application.holds import AreaRef, HoldRequest, SegmentRef
from domain.access import Scope
from domain.errors import ConflictError, InvalidRequestError, NotFoundError
from domain.people.identity import PersonRef
from domain.sending.holds import HoldState

router = APIRouter(prefix="/v1/holds", tags=["Holds"], dependencies=[Depends(allow(Scope.READ))], route_class=Route)

_HOLD: dict[str, Any] = {
    "id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e92",
    "user": "u-4711",
    "kind": "user",
    "segment": None,
    "area": None,
    "until": "2026-12-24T00:00:00Z",
    "event": "Complaint Resolved",
    "reason": "complaint 8841",
    "state": "open",
    "placed_by": "support",
    "placed_at": "2026-11-22T08:00:00Z",
    "ended_at": None,
    "ended_by": None,
}
HoldId = Annotated[UUID, Path(examples=[_HOLD["id"]])]


class NewHold(RequestModel):
    model_config = example(
        {
            "user": "u-4711",
            "until": "2026-12-24T00:00:00Z",
            "event": "Complaint Resolved",
            "reason": "complaint 8841",
        }
    )

    user: Annotated[
        TextField | None, Field(min_length=1, max_length=255, description="an id of the person, of this `kind`")
    ] = None
    segment: Annotated[TextField | None, Field(min_length=1, max_length=255, description="or: its people")] = None
    area: Annotated[TextField | None, Field(min_length=1, max_length=255, description="or: who is in it")] = None
    kind: Annotated[
        str,
        Field(pattern=ID_KIND, description="`user`, `anonymous`, the type of an external id, or `profile`"),
    ] = "user"
    until: Annotated[InstantField, Field(description="its end at the latest, at most 366 days ahead")]
    event: Annotated[
        TextField | None, Field(min_length=1, max_length=255, description="an event of the person that ends it earlier")
    ] = None
    reason: Annotated[TextField, Field(min_length=1, max_length=255, description="shown on the timeline of the person")]


class Hold(PeopleAnswer):
    model_config = example(_HOLD)

    id: UUID
    user: str | None = Field(description="the id by which the person was named")
    kind: str | None = Field(description="the kind of that id")
    segment: str | None
    area: str | None
    until: datetime
    event: str | None = Field(description="the event that ends it earlier")
    reason: Personal[str]
    state: HoldState = Field(description="`released` by someone or by its event, or `expired` at `until`")
    placed_by: str = Field(description="the name of the key")
    placed_at: datetime
    ended_at: datetime | None
    ended_by: str | None = Field(description="the name of the key, or the id of the event")


class HoldList(PeopleAnswer):
    model_config = example({"holds": [_HOLD], "next": None})

    holds: list[Hold]
    next: str | None = Field(description="pass it as `after` for earlier ones; null at the end")


@router.post("", status_code=201, responses=refusals(NotFoundError, ConflictError, InvalidRequestError))
async def place(request: NewHold, services: Using, by: Operator) -> Hold:
    """Hold all marketing to a person, or to the people of a segment or an area.

    Once this is answered, no marketing message of any campaign is handed over to them, until the hold is over.
    Transactional messages go.
    """
    given = [
        PersonRef(request.user, request.kind) if request.user is not None else None,
        SegmentRef(request.segment) if request.segment is not None else None,
        AreaRef(request.area) if request.area is not None else None,
    ]
    of = [one for one in given if one is not None]
    if len(of) != 1:
        raise InvalidRequestError("a hold is of one `user`, `segment` or `area`: name one of them")
    hold = HoldRequest(of[0], request.until, request.reason, request.event)
    return Hold.model_validate(await services.holds.place(hold, by=by))


@router.get("", responses=refusals(NotFoundError))
async def list_holds(
    services: Using,
    by: Reader,
    user: Annotated[TextField | None, Query(min_length=1, max_length=255, examples=["u-4711"])] = None,
    kind: Annotated[str, Query(pattern=ID_KIND, description="the kind of the id `user`")] = "user",
    all: Annotated[bool, Query(description="also those that are over")] = False,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> HoldList:
    """Open holds, the newest first, perhaps of one person."""
    found = await services.holds.page(
        person=None if user is None else PersonRef(user, kind),
        only_open=not all,
        before=position(after, UUID),
        limit=limit + 1,
        by=by,
    )
    holds, next = cut(found, limit, lambda hold: hold.id)
    return HoldList(holds=[Hold.model_validate(each) for each in holds], next=next)


@router.delete("/{id}", responses=refusals(NotFoundError))
async def release(id: HoldId, services: Using, by: Operator) -> Hold:
    """Release a hold: messages that wait for it go on, unless they have expired.

    One that is over stays as it is.
    """
    return Hold.model_validate(await services.holds.release(id, by=by))
