"""Refused calls and parts of calls."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from msgspec import Meta
from pydantic import Field

from api.auth import Reader, allow
from api.dependencies import ResponseModel, TextField, Using, example
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.personal_fields import PeopleAnswer, Personal
from api.routes import Route
from domain.access import Scope
from store.rejects import StoredReject

router = APIRouter(prefix="/v1/rejects", tags=["Rejects"], dependencies=[Depends(allow(Scope.READ))], route_class=Route)

RejectOutcome = Literal["refused", "left_out"]

_REJECT: dict[str, Any] = {
    "id": 4711,
    "received_at": "2026-11-22T08:00:00Z",
    "outcome": "left_out",
    "part": "traits.timezone",
    "index": 3,
    "source": "shop",
    "message_id": "5f0c6a1e-6a0e-4d39-a9c5-1b6a7c1f0f5d",
    "user_id": "u-4711",
    "anonymous_id": None,
    "error": "traits.timezone must be an IANA name such as \"Europe/Berlin\"; it is 'GMT+2'",
    "body": '"GMT+2"',
    "unrecorded": 0,
}
# The bound of PostgreSQL's bigint.
RejectId = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class RejectView(ResponseModel):
    model_config = example(_REJECT)

    id: int
    received_at: datetime
    outcome: RejectOutcome = Field(
        description="`refused`: the whole call; `left_out`: a part of a call that was accepted"
    )
    part: str | None = Field(description="the path of what was left out; null for a whole call")
    index: int = Field(description="place of the call in its batch, from 0; -1 for what a batch says for all of them")
    source: str = Field(description="that of the key")
    message_id: str | None
    user_id: str | None
    anonymous_id: str | None
    error: Personal[str] = Field(description="why, and what would be right")
    body: Personal[str] = Field(description="what was reported: at most 2 KB of it, and 32 KB of one request")
    unrecorded: int = Field(description="how many more its request had, beyond the 100 that are recorded")


class RejectPage(PeopleAnswer):
    model_config = example({"rejects": [_REJECT], "next": None})

    rejects: list[RejectView]
    next: str | None


@router.get("")
async def list_rejects(
    services: Using,
    by: Reader,
    user_id: Annotated[
        TextField | None,
        Query(max_length=255, examples=["u-4711"], description="that the call names, or an anonymous id"),
    ] = None,
    source: Annotated[TextField | None, Query(max_length=255, examples=["shop"], description="that of the key")] = None,
    outcome: Annotated[RejectOutcome | None, Query(examples=["refused"])] = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> RejectPage:
    """Refused calls and parts left out, the newest first, of the last 30 days."""
    rows = await services.rejects.list(
        limit=limit + 1,
        after=position(after, RejectId),
        user_id=user_id,
        source=source,
        is_part=None if outcome is None else outcome == "left_out",
        by=by,
    )
    shown, next = cut(rows, limit, lambda reject: reject.id)
    return RejectPage(rejects=[_view(reject) for reject in shown], next=next)


def _view(reject: StoredReject) -> RejectView:
    return RejectView(
        id=reject.id,
        received_at=reject.received_at,
        outcome="refused" if reject.part is None else "left_out",
        part=reject.part,
        index=reject.position,
        source=reject.source,
        message_id=reject.message_id,
        user_id=reject.user_id,
        anonymous_id=reject.anonymous_id,
        error=reject.error,
        body=reject.body,
        unrecorded=reject.unrecorded,
    )
