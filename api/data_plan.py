"""The data plan: events and properties as they are reported."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from msgspec.structs import astuple
from pydantic import Field

from api.auth import allow
from api.dependencies import ResponseModel, TextField, Using, example
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.routes import Route
from domain.access import Scope
from domain.data_plan.declared import ViolationKind
from domain.data_plan.paths import PropertyType
from domain.data_plan.seen import Example, SeenKey
from domain.tracking.event import CallType, EventType
from store.seen import StoredSeen
from store.violations import StoredViolation

router = APIRouter(
    prefix="/v1/schema", tags=["Data plan"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

_PROPERTY: dict[str, Any] = {
    "path": "currency",
    "count": 12_031,
    "types": {"string": 12_031},
    "first_at": "2026-11-01T10:00:00Z",
    "last_at": "2026-11-22T08:00:01Z",
    "example": "EUR",
}
_EVENT: dict[str, Any] = {
    "source": "shop",
    "type": "track",
    "name": "Order Completed",
    "is_rest": False,
    "count": 12_031,
    "days": {"2026-11-22": 1_804},
    "first_at": "2026-11-01T10:00:00Z",
    "last_at": "2026-11-22T08:00:01Z",
    "properties": [_PROPERTY],
    "more_properties": 0,
}
_VIOLATION: dict[str, Any] = {
    "source": "shop",
    "type": "track",
    "name": "Order Completed",
    "kind": "wrong_type",
    "path": "value",
    "message": "value is a string instead of a number",
    "count": 17,
    "first_at": "2026-11-22T07:00:00Z",
    "last_at": "2026-11-22T08:00:01Z",
    "last_event_id": "019a9b3e-8000-7000-8000-000000000001",
}


class SeenPropertyView(ResponseModel):
    model_config = example(_PROPERTY)

    path: str = Field(description="`currency`, `address.city`, or `products[].price` of the items of a list")
    count: int
    types: dict[PropertyType, int] = Field(description="how many values were of each JSON type")
    first_at: datetime
    last_at: datetime
    example: Example | None = Field(
        description="a value that several people had; null where there is none, as for free text, ids and amounts"
    )


class SeenEventView(ResponseModel):
    model_config = example(_EVENT)

    source: str = Field(description="that of the key")
    type: str
    name: str | None = Field(description="null for an identify, group or alias, and for the rest")
    is_rest: bool = Field(description="whether it stands for all further names, beyond 500 of the source and type")
    count: int
    days: dict[date, int] = Field(description="by day of arrival, in UTC, of the last days with any")
    first_at: datetime = Field(description="when the first one arrived")
    last_at: datetime
    properties: list[SeenPropertyView]
    more_properties: int = Field(description="how many values were of further properties, beyond 100")


class SeenPage(ResponseModel):
    model_config = example({"events": [_EVENT], "next": None})

    events: list[SeenEventView]
    next: str | None


class ViolationView(ResponseModel):
    model_config = example(_VIOLATION)

    source: str = Field(description="that of the key")
    type: str
    name: str | None = Field(description="null for an identify or group, and for a name that looks like data")
    kind: ViolationKind
    path: str | None = Field(description="the property's")
    message: str
    count: int
    first_at: datetime = Field(description="when the first such event arrived")
    last_at: datetime
    last_event_id: UUID = Field(description="an event that departs so, for the timeline of its user")


class ViolationList(ResponseModel):
    model_config = example({"violations": [_VIOLATION]})

    violations: list[ViolationView]


@router.get("")
async def list_seen_events(
    services: Using,
    source: Annotated[TextField | None, Query(max_length=255, examples=["shop"])] = None,
    type: Annotated[CallType | None, Query(examples=["track"])] = None,
    name: Annotated[TextField | None, Query(max_length=1024, examples=["Order Completed"])] = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> SeenPage:
    """Events and their properties as they were reported, by source, type and name.

    A worker counts them, a second behind their arrival.
    """
    place = position(after, tuple[str, EventType, str, bool])
    rows = await services.data_plan.list_seen(
        limit=limit + 1, after=place and SeenKey(*place), source=source, type=type, name=name
    )
    shown, next = cut(rows, limit, lambda stored: astuple(stored.key))
    return SeenPage(events=[_view(stored) for stored in shown], next=next)


@router.get("/violations")
async def list_violations(
    services: Using,
    source: Annotated[TextField | None, Query(max_length=255, examples=["shop"])] = None,
    name: Annotated[TextField | None, Query(max_length=1024, examples=["Order Completed"])] = None,
    limit: Limit = DEFAULT_LIMIT,
) -> ViolationList:
    """Kinds of departures of events from the declared ones, the latest first.

    They are counted by source, event, property and fault, up to 1,000 of them, and kept for 30 days after the last.
    """
    found = await services.data_plan.list_violations(limit=limit, source=source, name=name)
    return ViolationList(violations=[_violation_view(one) for one in found])


def _violation_view(stored: StoredViolation) -> ViolationView:
    one = stored.violation
    return ViolationView(
        source=one.source,
        type=one.type,
        name=one.name or None,
        kind=one.kind,
        path=one.path,
        message=one.text,
        count=stored.count,
        first_at=stored.first_at,
        last_at=stored.last_at,
        last_event_id=stored.last_event_id,
    )


def _view(stored: StoredSeen) -> SeenEventView:
    key, seen = stored.key, stored.seen
    return SeenEventView(
        source=key.source,
        type=key.type,
        name=key.name or None,
        is_rest=key.is_rest,
        count=seen.count,
        days=dict(sorted(seen.days.items())),
        first_at=seen.first_at,
        last_at=seen.last_at,
        properties=[
            SeenPropertyView(
                path=path,
                count=one.count,
                types=one.types,
                first_at=one.first_at,
                last_at=one.last_at,
                example=one.example,
            )
            for path, one in sorted(seen.properties.items())
        ],
        more_properties=seen.more_properties,
    )
