"""Previews and counts of conditions, and the numbers of segments."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.auth import Operator, Reader, allow
from api.dependencies import WHOLE, RequestModel, ResponseModel, SegmentKey, TextField, Using, example
from api.estimates import ESTIMATE, NumberEstimate
from api.operations import Operation
from api.personal_fields import PeopleAnswer, Personal
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import InvalidDocumentError, NotFoundError, OverloadedError

router = APIRouter(
    prefix="/v1/segments", tags=["Segments"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

_WHERE = "profile.computed.orders >= 1 && !profile.computed.active_14d"
_PREVIEW: dict[str, Any] = {
    **ESTIMATE,
    "examples": [{"id": "019a4d6c-1111-7c31-9b0e-5f1f6f0c9a11", "user_id": "u-4711", "anonymous_id": None}],
    "not_evaluated": 0,
    "warnings": [],
}

_DAY: dict[str, Any] = {"day": "2026-11-22", "members": 812, "joined": 41, "left": 29}

Where = Annotated[
    TextField,
    Field(min_length=1, max_length=2_000, examples=[_WHERE], description="a condition in CEL, as a segment's `where`"),
]


class CountRequest(RequestModel):
    model_config = example({"where": _WHERE})

    where: Where


class PreviewRequest(CountRequest):
    model_config = example({"where": _WHERE, "sample": 20000})

    sample: Annotated[int, Field(ge=100, le=50_000, description="how many people to draw at random"), WHOLE] = 20_000


class PreviewExample(ResponseModel):
    id: UUID = Field(description="Sojourn's own id of the profile")
    user_id: str | None
    anonymous_id: str | None = Field(description="of a person without a user id")


class SegmentPreview(NumberEstimate, PeopleAnswer):
    model_config = example(_PREVIEW)

    examples: Personal[Sequence[PreviewExample]] = Field(description="ten people who would be in it, at most")
    not_evaluated: int = Field(description="those who lack something that the condition reads: they would not be in it")
    warnings: Sequence[str]


class SegmentDay(ResponseModel):
    day: date
    members: int = Field(description="at the end of the day; today's are those of now")
    joined: int
    left: int


class SegmentTrend(ResponseModel):
    model_config = example({"segment": "lapsing-buyers", "days": [_DAY]})

    segment: str
    days: list[SegmentDay] = Field(description="in the deployment's time zone, today last")


class SegmentOverlap(ResponseModel):
    model_config = example({"both": 120, "only_first": 692, "only_second": 3100})

    both: int
    only_first: int = Field(description="in the segment of the path alone")
    only_second: int = Field(description="in the other one alone")


@router.post("/preview", responses=refusals(InvalidDocumentError, OverloadedError))
async def preview(request: PreviewRequest, services: Using, by: Reader) -> SegmentPreview:
    """An estimate of the people who would be in a segment, with its interval.

    People are drawn at random for 1.5 s at most. Where too few of them match, `summary` says how many there are at
    most, and a full count is the way to know.
    """
    found = await services.segment_previews.preview(request.where, request.sample, by=by)
    estimate = found.estimate
    return SegmentPreview(
        estimate=estimate.estimate,
        low=estimate.low,
        high=estimate.high,
        of=estimate.of,
        sampled=estimate.sampled,
        summary=estimate.summary,
        examples=[PreviewExample.model_validate(one) for one in found.examples],
        not_evaluated=found.not_evaluated,
        warnings=found.warnings,
    )


@router.post("/count", status_code=202, responses=refusals(InvalidDocumentError, OverloadedError))
async def count(request: CountRequest, services: Using, by: Operator) -> Operation:
    """Count everyone who would be in a segment, in an operation.

    Its counts are `members` and `not_evaluated`. Each person is looked at once, at some time while it runs.
    """
    return Operation.model_validate(await services.segment_previews.count(request.where, by=by))


@router.get("/{key}/trend", responses=refusals(NotFoundError))
async def get_trend(
    key: SegmentKey,
    services: Using,
    days: Annotated[int, Query(ge=1, le=366, description="how many, with today", examples=[30])] = 30,
) -> SegmentTrend:
    """The members of a segment by day, and how many joined and left.

    Members are counted back from those of now, so people who were merged or erased since count as they are now.
    """
    found = await services.segment_numbers.trend(key, days)
    return SegmentTrend(segment=key, days=[SegmentDay.model_validate(day) for day in found])


@router.get("/{key}/overlap", responses=refusals(NotFoundError))
async def get_overlap(
    key: SegmentKey,
    services: Using,
    other: Annotated[
        TextField, Query(alias="with", min_length=1, max_length=255, description="the other one", examples=["vip"])
    ],
) -> SegmentOverlap:
    """How many people are in two segments, and in only one of them."""
    return SegmentOverlap.model_validate(await services.segment_numbers.overlap(key, other))
