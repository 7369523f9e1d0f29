"""Merges of users, and their undo."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from api.auth import Operator, allow
from api.dependencies import PersonPath, RequestModel, ResponseModel, TextField, UserId, Using, example
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import ConflictError, NotFoundError

router = APIRouter(prefix="/v1/users", tags=["Users"], dependencies=[Depends(allow(Scope.READ))], route_class=Route)

_JOURNEY = "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e90"
_MERGE: dict[str, Any] = {
    "source": "u-0815",
    "source_profile_id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e91",
    "at": "2026-11-22T08:00:00Z",
    "by": "support",
    "is_reversible": True,
}
_CONTAMINATION: dict[str, Any] = {"campaign": "abandoned-cart", "step": "offer", "arms": ["discount", "plain"]}

SourceId = Annotated[
    TextField,
    Path(
        min_length=1,
        max_length=255,
        description="The user id that was merged, percent-encoded as that before.",
        examples=["u-0815"],
    ),
]


class UserMerge(ResponseModel):
    source: str | None = Field(examples=["u-0815"], description="null where an event merged an anonymous profile")
    source_profile_id: UUID = Field(description="by which exports and sinks may still name the profile")
    at: datetime
    by: str = Field(examples=["support"], description="the name of the key, or the id of the event")
    is_reversible: bool = Field(examples=[True], description="whether DELETE undoes it")


class Contamination(ResponseModel):
    """A split with several arms of one person: leave them out of its comparison."""

    campaign: str
    step: str
    arms: list[str]


class LeftOutTrait(ResponseModel):
    part: str = Field(examples=["traits.plan"])
    error: str = Field(examples=["a profile may have 1,000 traits"])


class MergeRequest(RequestModel):
    model_config = example({"from": "u-0815"})

    source: Annotated[TextField, Field(alias="from", min_length=1, max_length=255, examples=["u-0815"])]


class MergeResult(ResponseModel):
    model_config = example(
        {
            "target": "u-4711",
            "merge": _MERGE,
            "ended_journeys": [_JOURNEY],
            "contaminated": [_CONTAMINATION],
            "left_out": [],
        }
    )

    target: str
    merge: UserMerge
    ended_journeys: list[UUID] = Field(
        description="journeys of the merged user that ended as `merged`, since the other has one in that campaign"
    )
    contaminated: list[Contamination]
    left_out: list[LeftOutTrait] = Field(description="traits and consents for which one profile has no room")


class UndoResult(ResponseModel):
    model_config = example({"source": "u-0815", "target": "u-4711", "not_resumed": [_JOURNEY]})

    source: str
    target: str
    not_resumed: list[UUID] = Field(description="journeys that the merge had ended; they do not go on")


class UserMergePage(ResponseModel):
    model_config = example({"merges": [_MERGE], "contaminated": [_CONTAMINATION], "next": None})

    merges: list[UserMerge]
    contaminated: list[Contamination]
    next: str | None = Field(description="pass it as `after` for earlier ones; null at the end")


@router.get("/{user_id:path}/merges", responses=refusals(NotFoundError))
async def list_merges(
    person: PersonPath, services: Using, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> UserMergePage:
    """Profiles that were merged into this user, the newest first."""
    found = await services.merges.list(person, limit=limit + 1, before=position(after, tuple[datetime, UUID]))
    merges, next = cut(found.merges, limit, lambda merge: (merge.at, merge.source_profile_id))
    return UserMergePage(
        merges=[UserMerge.model_validate(each) for each in merges],
        contaminated=[Contamination.model_validate(each) for each in found.contaminated],
        next=next,
    )


@router.post("/{user_id:path}/merges", status_code=201, responses=refusals(NotFoundError, ConflictError))
async def merge(user_id: UserId, request: MergeRequest, services: Using, by: Operator) -> MergeResult:
    """Merge another known user into this one: both ids then name this person."""
    return MergeResult.model_validate(await services.merges.merge(user_id, request.source, by=by))


@router.delete("/{user_id:path}/merges/{source:path}", responses=refusals(NotFoundError, ConflictError))
async def undo(user_id: UserId, source: SourceId, services: Using, by: Operator) -> UndoResult:
    """Undo a merge. Rows since go by their events' ids; no ended journey resumes."""
    return UndoResult.model_validate(await services.merges.undo(user_id, source, by=by))
