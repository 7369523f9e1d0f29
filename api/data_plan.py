"""The data plan: events and properties as they are reported."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from msgspec.structs import astuple
from pydantic import Field

from api.auth import allow
from api.dependencies import ResponseModel, TextField, Using, example
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.routes import Route
from domain.access import Scope
from domain.data_plan.paths import PropertyType
from domain.data_plan.seen import Example, SeenKey
from domain.tracking.event import CallType, EventType
from store.seen import StoredSeen

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
