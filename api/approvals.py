"""Approvals of campaigns that may reach many people, and their decisions."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from api.auth import Approver, allow
from api.dependencies import ResponseModel, TextField, Using, example
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.campaign.approvals import ApprovalAction, ApprovalState
from domain.errors import ApprovalStateError, ConflictError, NotFoundError, SamePersonError

router = APIRouter(prefix="/v1/approvals", tags=["Approvals"], route_class=Route)

EXAMPLE: dict[str, Any] = {
    "id": "01a2018a-1b1c-7d3e-8f4a-5b6c7d8e9f0b",
    "campaign": "abandoned-cart",
    "version": 3,
    "revision": 7,
    "action": "start",
    "parameters": {"in_flight": "keep"},
    "people": 120400,
    "state": "waiting",
    "requested_by": "Ada",
    "requested_by_id": "9f86d081884c7d65",
    "at": "2026-11-22T08:00:00Z",
    "expires_at": "2026-11-29T08:00:00Z",
    "decided_by": None,
    "decided_at": None,
}


class Approval(ResponseModel):
    """A change that waits for another person, or did."""

    model_config = example(EXAMPLE)

    id: UUID
    campaign: str
    version: int
    revision: int = Field(description="that of the campaign: once it is changed, the approval is outdated")
    action: ApprovalAction = Field(
        description="a version lets users in (`start`), its schedule begins (`begin`), held messages go on (`resume`), "
        "or a repeated audience enters (`enter`)"
    )
    parameters: dict[str, Any] = Field(description="those of the change")
    people: int = Field(description="how many it may reach, at most")
    state: ApprovalState = Field(
        examples=["waiting"],
        description="`outdated`: the campaign or its entry was changed since, or a later request took its place",
    )
    requested_by: str = Field(description="the name of the key; for a schedule, of the one that started the campaign")
    requested_by_id: str
    at: datetime
    expires_at: datetime
    decided_by: str | None
    decided_at: datetime | None


class ApprovalPage(ResponseModel):
    model_config = example({"approvals": [EXAMPLE], "next": None})

    approvals: list[Approval]
    next: str | None


ApprovalId = Annotated[UUID, Path(examples=[EXAMPLE["id"]])]
_READ = [Depends(allow(Scope.READ))]


@router.get("", dependencies=_READ)
async def list_approvals(
    services: Using,
    campaign: Annotated[TextField | None, Query(max_length=255, examples=["abandoned-cart"])] = None,
    state: Annotated[ApprovalState | None, Query(examples=["waiting"])] = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> ApprovalPage:
    """Approvals, the newest first."""
    rows = await services.approvals.list(limit=limit + 1, before=position(after, UUID), campaign=campaign, state=state)
    found, next = cut(rows, limit, lambda approval: approval.id)
    return ApprovalPage(approvals=[Approval.model_validate(each) for each in found], next=next)


@router.get("/{id}", dependencies=_READ, responses=refusals(NotFoundError))
async def get_approval(id: ApprovalId, services: Using) -> Approval:
    """One approval."""
    return Approval.model_validate(await services.approvals.get(id))


@router.post("/{id}/approve", responses=refusals(NotFoundError, SamePersonError, ConflictError, ApprovalStateError))
async def approve(id: ApprovalId, services: Using, by: Approver) -> Approval:
    """Approve a change of another person, which is made at once."""
    return Approval.model_validate(await services.approvals.approve(id, by=by))


@router.post("/{id}/reject", responses=refusals(NotFoundError, ConflictError, ApprovalStateError))
async def reject(id: ApprovalId, services: Using, by: Approver) -> Approval:
    """Reject a change, or take an own request back."""
    return Approval.model_validate(await services.approvals.reject(id, by=by))
