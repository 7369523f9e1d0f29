"""A person's membership in a segment, explained."""

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from api.auth import Reader, allow
from api.dependencies import PersonPath, ResponseModel, SegmentKey, Using, example
from api.personal_fields import PeopleAnswer, Personal
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import NotFoundError

router = APIRouter(prefix="/v1/users", tags=["Users"], dependencies=[Depends(allow(Scope.READ))], route_class=Route)

_ORDERS: dict[str, Any] = {
    "kind": "value",
    "text": "profile.computed.orders >= 1",
    "value": True,
    "error": None,
    "reads": {"profile.computed.orders": 3},
    "changes_at": None,
    "parts": [],
}
_ACTIVE: dict[str, Any] = {
    "kind": "value",
    "text": "profile.computed.active_14d",
    "value": True,
    "error": None,
    "reads": {"profile.computed.active_14d": True},
    "changes_at": "2026-12-06T14:03:11Z",
    "parts": [],
}
_GROUP: dict[str, Any] = {"error": None, "reads": {}, "changes_at": "2026-12-06T14:03:11Z"}
_NOT_ACTIVE: dict[str, Any] = {
    "kind": "not",
    "text": "!profile.computed.active_14d",
    "value": False,
    "parts": [_ACTIVE],
    **_GROUP,
}
_CONDITION: dict[str, Any] = {
    "kind": "all",
    "text": "profile.computed.orders >= 1 && !profile.computed.active_14d",
    "value": False,
    "parts": [_ORDERS, _NOT_ACTIVE],
    **_GROUP,
}
_EXPLAINED: dict[str, Any] = {
    "segment": "lapsing-buyers",
    "is_member": False,
    "since": None,
    "is_ready": True,
    "instead": None,
    "last_change": {
        "has_joined": False,
        "at": "2026-11-22T14:03:11Z",
        "cause": {"kind": "event", "id": "e-1", "name": "Order Completed", "at": "2026-11-22T14:03:11Z"},
        "summary": "left lapsing-buyers: by Order Completed of 2026-11-22 14:03:11 UTC",
    },
    "as_of": "2026-11-25T08:00:00Z",
    "condition": _CONDITION,
}


class SegmentPart(ResponseModel):
    kind: Literal["all", "any", "not", "value"] = Field(
        description="it holds if all or any of its parts do, if its one part does not, or by its own value"
    )
    text: str = Field(examples=["profile.computed.orders >= 1"], description="as its author wrote it")
    value: Personal[bool | None] = Field(description="null where it could not be evaluated")
    error: Personal[str | None] = Field(description="why it could not")
    reads: Personal[dict[str, Any]] = Field(
        description="the texts, numbers, times and truth values that it reads, by path"
    )
    changes_at: datetime | None = Field(description="the next instant at which time may change it; null for never")
    parts: list["SegmentPart"] = Field(description="what `&&`, `||` or `!` joins")


class LastSegmentChange(ResponseModel):
    has_joined: bool
    at: datetime
    cause: Personal[dict[str, Any]] = Field(
        description="`kind` is time (with the parts that it flipped), event, definition, breakpoints, operator, step, "
        "import, link or merge"
    )
    summary: Personal[str] = Field(description="for people")


class SegmentExplanation(PeopleAnswer):
    model_config = example(_EXPLAINED)

    segment: str
    is_member: bool
    since: datetime | None
    is_ready: bool = Field(description="false while a new definition is judged over everyone")
    instead: str | None = Field(description="of segments that exclude each other: the one that the person is in")
    last_change: LastSegmentChange | None
    as_of: datetime = Field(description="the instant of the condition's values")
    condition: SegmentPart


@router.get("/{user_id:path}/segments/{key}", responses=refusals(NotFoundError))
async def explain_membership(person: PersonPath, key: SegmentKey, services: Using, by: Reader) -> SegmentExplanation:
    """Why a user is in a segment or not: the last change, and each part as it is now.

    The parts are what `&&`, `||` and `!` join, each with its value and the next instant at which time may change it.
    """
    return SegmentExplanation.model_validate(await services.explain_segment.explain(person, key, by=by))
