"""Segments: their definitions, plans and states."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import Field

from api.auth import Author, allow
from api.campaigns import PublishWarning
from api.dependencies import FileName, RequestModel, ResponseModel, SegmentKey, TextField, Using, example
from api.deployment_documents import RuleReader
from api.entity_tags import IfMatch, Tagged
from api.estimates import MOVEMENT, SegmentMovement
from api.pages import After, LimitOrAll, cut_or_all, one_more, position
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import ConflictError, InvalidDocumentError, NotFoundError, PlanOutdatedError
from domain.people.segment_document import MAX_SEGMENTS, SegmentSource

router = APIRouter(
    prefix="/v1/segments", tags=["Segments"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

_WHERE = 'profile.computed.orders >= 1 && !profile.computed.active_14d && known_for("14d")'
_SOURCE: dict[str, Any] = {
    "file": "lapsing-buyers.yaml",
    "source": "key: lapsing-buyers\nname: Lapsing buyers\nwhere: profile.traits.plan == 'pro'\n",
}
SEGMENT: dict[str, Any] = {
    "key": "lapsing-buyers",
    "name": "Lapsing buyers",
    "version": 2,
    "where": _WHERE,
    "on_change": "silent",
    "state": "building",
    "progress": {"operation": "01a2018a-1b1c-7d3e-8f4a-5b6c7d8e9f0a", "done": 4200, "total": 100000},
    "members": 812,
    "applied_by": "ada",
    "active_from": "2026-11-01T10:00:00Z",
}
_CHANGE: dict[str, Any] = {
    "kind": "changed",
    "key": "lapsing-buyers",
    "version": 1,
    "next_version": 2,
    "before": {"name": "Lapsing buyers", "where": "profile.computed.orders >= 1", "on_change": "silent"},
    "after": {"name": "Lapsing buyers", "where": _WHERE, "on_change": "silent"},
    "read_by": [{"kind": "campaign", "key": "win-back", "version": 2}],
    "people": MOVEMENT,
}
_HASH = "segments-3f2a9c1b7d5e4f60a1b2c3d4e5f60718"
_PLAN: dict[str, Any] = {"segments": [_CHANGE], "warnings": [], "hash": _HASH}


class SegmentDocumentRequest(RequestModel):
    model_config = example(_SOURCE)

    file: FileName
    source: Annotated[TextField, Field(description="the document, YAML")]

    def document(self) -> SegmentSource:
        """Return the document as use cases take it."""
        return SegmentSource(self.source, self.file)


class ApplySegmentsRequest(RequestModel):
    """Documents of segments that are applied together or not at all."""

    model_config = example({"segments": [_SOURCE]})

    segments: Annotated[list[SegmentDocumentRequest], Field(min_length=1, max_length=MAX_SEGMENTS)]
    plan: Annotated[
        TextField | None,
        Field(max_length=200, description="the `hash` of their plan; where that is outdated, nothing is done"),
    ] = None


class PlanSegmentsRequest(RequestModel):
    """Documents of segments, and keys of those to be deleted."""

    model_config = example({"segments": [_SOURCE]})

    segments: list[SegmentDocumentRequest] = Field(default_factory=list, max_length=MAX_SEGMENTS)
    removed: list[TextField] = Field(
        default_factory=list, max_length=MAX_SEGMENTS, description="keys of segments to delete"
    )


class PassProgress(ResponseModel):
    operation: UUID
    done: int = Field(description="people judged so far")
    total: int | None = Field(description="people in all; null before it begins")


class ListedSegment(ResponseModel):
    model_config = example(SEGMENT)

    key: str
    name: str
    version: int
    where: str
    on_change: Literal["silent", "trigger"]
    state: Literal["ready", "building", "waiting", "cancelled"] = Field(
        description="ready once everyone was judged by it; waiting while earlier events are counted for its computed "
        "traits; cancelled once that or the pass was cancelled: apply its document, or that of the traits, again"
    )
    progress: PassProgress | None = Field(description="of the pass that judges everyone by a new definition")
    members: int
    applied_by: str
    active_from: datetime = Field(description="since when events are judged by this condition")


class Segment(ListedSegment):
    model_config = example({**SEGMENT, "source": _SOURCE["source"]})

    source: str = Field(description="the document; of a segment that another document makes, its condition")


class SegmentList(ResponseModel):
    model_config = example({"segments": [SEGMENT], "next": None})

    segments: list[ListedSegment] = Field(description="by key")
    next: str | None = Field(description="pass it as `after` for the following ones; null at the end")


class PlannedSegment(ResponseModel):
    kind: Literal["added", "changed", "removed", "unchanged"]
    key: str
    version: int | None = Field(description="the version in force, for If-Match; null for a new segment")
    next_version: int | None = Field(description="the version after it is applied; null for a removed segment")
    before: dict[str, Any] | None = Field(description="name, where and on_change in force")
    after: dict[str, Any] | None = Field(description="those of the document")
    read_by: list[RuleReader] = Field(
        description="campaigns, segments and holds that name it: then it cannot be deleted"
    )
    people: SegmentMovement | None = Field(
        description="null where the condition stays, or earlier events are being counted for its computed traits"
    )


class SegmentPlan(ResponseModel):
    model_config = example(_PLAN)

    segments: list[PlannedSegment] = Field(description="each after those that it reads, and removed ones last")
    warnings: list[PublishWarning]
    hash: str = Field(examples=[_HASH], description="of the documents and what is in force; pass it on to apply them")


class AppliedSegments(ResponseModel):
    model_config = example({"segments": [SEGMENT], "plan": _PLAN})

    segments: list[ListedSegment] = Field(description="each after those that it reads")
    plan: SegmentPlan


@router.get("")
async def list_segments(services: Using, limit: LimitOrAll = None, after: After = None) -> SegmentList:
    """All segments by key, with the numbers of their members."""
    rows = await services.segments.list_all(after=position(after, str), limit=one_more(limit))
    found, next = cut_or_all(rows, limit, lambda segment: segment.key)
    return SegmentList.model_validate({"segments": found, "next": next})


@router.post("/plan", responses=refusals(InvalidDocumentError, NotFoundError))
async def plan_segments(request: PlanSegmentsRequest, services: Using) -> SegmentPlan:
    """The changes of documents and removals, with readers and moves, without effects."""
    documents = [each.document() for each in request.segments]
    return SegmentPlan.model_validate(await services.segments.plan(documents, request.removed))


@router.post("/apply", responses=refusals(ConflictError, PlanOutdatedError, InvalidDocumentError))
async def apply_segments(request: ApplySegmentsRequest, services: Using, by: Author) -> AppliedSegments:
    """Put documents in force together, or none. An operation judges everyone by them."""
    documents = [each.document() for each in request.segments]
    return AppliedSegments.model_validate(await services.segments.apply(documents, planned=request.plan, by=by))


@router.get("/{key}", responses=refusals(NotFoundError))
async def get_segment(key: SegmentKey, services: Using, tag: Tagged) -> Segment:
    """One segment with its document."""
    found = Segment.model_validate(await services.segments.get(key))
    # Members, and how far the pass is, change without a change of the definition.
    tag.set(found.version, found.members, found.state, found.progress and found.progress.done)
    return found


@router.put("/{key}", responses=refusals(ConflictError, InvalidDocumentError, NotFoundError))
async def put_segment(
    key: SegmentKey, request: SegmentDocumentRequest, services: Using, by: Author, if_match: IfMatch, tag: Tagged
) -> AppliedSegments:
    """Put the document of a segment in force. An operation judges everyone by it."""
    put = services.segments.put(key, request.document(), if_match=if_match, by=by)
    applied = AppliedSegments.model_validate(await put)
    tag.set(applied.segments[0].version)
    return applied


@router.delete("/{key}", status_code=204, responses=refusals(ConflictError, NotFoundError))
async def delete_segment(key: SegmentKey, services: Using, by: Author, if_match: IfMatch) -> None:
    """End a segment, unless a campaign or another segment reads it."""
    await services.segments.delete(key, if_match=if_match, by=by)
