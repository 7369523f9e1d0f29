"""Why people got nothing: refused entries and messages."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.auth import Reader, allow
from api.dependencies import ResponseModel, TextField, Using, example
from api.entity_tags import Tagged
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.personal_fields import PeopleAnswer, Personal
from api.problems import refusals
from api.routes import Route
from api.utc_days import CountedDays, DayNumbers
from domain.access import Scope
from domain.errors import InvalidCursorError, InvalidRequestError
from store.non_sends import NonSendFilter, NonSendGrouping, NonSendPosition

router = APIRouter(
    prefix="/v1/non-sends", tags=["Non-sends"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

_GROUP: dict[str, Any] = {"value": "no_consent", "people": 11800, "times": 14100}
_NON_SEND: dict[str, Any] = {
    "user_id": "u-4711",
    "journey_id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e94",
    "campaign": "abandoned-cart",
    "step": "nudge",
    "reason": "capped",
    "rule": "marketing-daily",
    "at": "2026-11-22T08:00:00Z",
    "data": {"rule": "marketing-daily", "limit": 1, "per": "1d"},
}


class NonSendGroup(ResponseModel):
    """How many people got nothing, and how often. Deleted refusals are in `times`."""

    value: str = Field(examples=["no_consent"], description="empty for those without such a value, and for the total")
    people: int
    times: int


class NonSendNumbers(DayNumbers):
    model_config = example(
        {
            "first_day": "2026-11-16",
            "last_day": "2026-11-22",
            "total": {"value": "", "people": 12000, "times": 14350},
            "groups": [_GROUP],
            "is_estimate": False,
        },
    )

    total: NonSendGroup
    groups: list[NonSendGroup] = Field(description="by the value of the grouping, the most frequent first")
    is_estimate: bool = Field(description="of more than 100,000 refusals, people are estimated from a sample")


class NonSendView(ResponseModel):
    """A refused entry, or a refused message of a journey."""

    user_id: str | None = Field(description="null for an anonymous person")
    journey_id: UUID | None = Field(description="null for an entry")
    campaign: str
    step: str | None = Field(description="null for an entry")
    reason: str | None
    rule: str | None = Field(description="of a cap or a budget")
    at: datetime
    data: Personal[dict[str, Any]] = Field(description="what decided it")


class NonSendPage(PeopleAnswer):
    model_config = example({"people": [_NON_SEND], "next": None})

    people: list[NonSendView]
    next: str | None


async def read_filter(
    period: CountedDays,
    campaign: Annotated[TextField | None, Query(max_length=255, examples=["abandoned-cart"])] = None,
    step: Annotated[TextField | None, Query(max_length=255, examples=["nudge"], description="empty: entries")] = None,
    reason: Annotated[TextField | None, Query(max_length=255, examples=["no_consent"])] = None,
    rule: Annotated[TextField | None, Query(max_length=255, examples=["marketing-daily"])] = None,
) -> NonSendFilter:
    """Read the filter that counts and lists share."""
    return NonSendFilter(first=period.first, last=period.last, campaign=campaign, step=step, reason=reason, rule=rule)


AskedNonSends = Annotated[NonSendFilter, Depends(read_filter)]


@router.get("", responses=refusals(InvalidRequestError))
async def count_non_sends(
    which: AskedNonSends,
    services: Using,
    tag: Tagged,
    by: Annotated[NonSendGrouping, Query(description="what the groups are")] = "reason",
) -> NonSendNumbers:
    """How many people got nothing, and why: refused entries and messages.

    At most two seconds old.
    """
    found = await services.non_sends.count(which, by)
    tag.set(0, (which, found))
    return NonSendNumbers(first_day=which.first, last_day=which.last, **msgspec.to_builtins(found))


@router.get("/people", responses=refusals(InvalidRequestError, InvalidCursorError))
async def list_non_sends(
    which: AskedNonSends, services: Using, by: Reader, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> NonSendPage:
    """The people who got nothing, by refusals, the latest first."""
    rows = await services.non_sends.list(which, limit=limit + 1, after=position(after, NonSendPosition), by=by)
    shown, next = cut(rows, limit, lambda row: NonSendPosition(row.at, row.id))
    return NonSendPage(people=[NonSendView.model_validate(row) for row in shown], next=next)
