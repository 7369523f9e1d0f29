"""The sources of events."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import Field

from api.auth import allow
from api.dependencies import ResponseModel, Using, example
from api.entity_tags import Tagged
from api.routes import Route
from domain.access import KeyKind, Scope

router = APIRouter(
    prefix="/v1/sources", tags=["Data plan"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

_SOURCE: dict[str, Any] = {
    "source": "shop",
    "kinds": ["server"],
    "today": 1_804,
    "week": 12_031,
    "last_seen": "2026-11-22T08:00:01Z",
    "rejects": 17,
    "more_rejects": False,
}


class SourceView(ResponseModel):
    model_config = example(_SOURCE)

    source: str = Field(description="that of the keys, or what reports by itself, such as `sojourn`")
    kinds: list[KeyKind] = Field(description="of its valid keys; empty where none has it")
    today: int = Field(description="its events of this day, in UTC, as they are counted behind ingest")
    week: int = Field(description="those of the last seven days, today included")
    last_seen: datetime | None = Field(description="when the last one arrived")
    rejects: int = Field(description="calls and parts that were refused in the last seven days, up to 1,000")
    more_rejects: bool = Field(description="whether there were more")


class SourceList(ResponseModel):
    model_config = example({"sources": [_SOURCE]})

    sources: list[SourceView]


@router.get("")
async def list_sources(services: Using, tag: Tagged) -> SourceList:
    """Each source with its events of the last days, and what was refused of it."""
    found = await services.sources.list()
    tag.set(0, found)
    return SourceList(sources=[SourceView.model_validate(one) for one in found])
