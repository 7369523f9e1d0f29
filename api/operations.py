"""Operations of campaigns and of the deployment, and their progress."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from api.auth import Operator, allow
from api.dependencies import CampaignKey, ResponseModel, Using, example
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import ConflictError, NotFoundError
from domain.operations import OperationKind, OperationState
from store.operations import Operation as StoredOperation

router = APIRouter(prefix="/v1", tags=["Operations"], dependencies=[Depends(allow(Scope.READ))], route_class=Route)


_OPERATION: dict[str, Any] = {
    "id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e90",
    "campaign": "abandoned-cart",
    "kind": "migrate",
    "state": "running",
    "total": 5000,
    "done": 1500,
    "counts": {"moved": 1488, "stayed": 12},
    "parameters": {"to_version": 2},
    "requested_by": "deployments",
    "created_at": "2026-11-22T08:00:00Z",
    "started_at": "2026-11-22T08:00:01Z",
    "finished_at": None,
    "failures": 0,
    "last_error": None,
}


class Operation(ResponseModel):
    model_config = example(_OPERATION)

    id: UUID
    campaign: str | None = Field(
        validation_alias="campaign_key", examples=["abandoned-cart"], description="null for those of the deployment"
    )
    kind: OperationKind = Field(examples=["migrate"])
    state: OperationState = Field(examples=["running"])
    total: int | None = Field(examples=[5000], description="how many there were to begin with, where that is known")
    done: int = Field(examples=[1500])
    counts: dict[str, int] = Field(examples=[{"moved": 1488, "stayed": 12}], description="what became of them")
    parameters: dict[str, Any] = Field(examples=[{"to_version": 2}])
    requested_by: str = Field(examples=["deployments"], description="the name of the key, or Sojourn itself")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    failures: int = Field(examples=[0], description="how often its next page has failed so far; it is tried again")
    last_error: str | None = Field(description="why the page failed")


OperationId = Annotated[UUID, Path(examples=[_OPERATION["id"]])]


class OperationList(ResponseModel):
    model_config = example({"operations": [_OPERATION], "next": None})

    operations: list[Operation]
    next: str | None = Field(description="pass it as `after` for what was asked for earlier; null at the end")


@router.get("/campaigns/{key}/operations", responses=refusals(NotFoundError))
async def list_operations(
    key: CampaignKey,
    services: Using,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> OperationList:
    """The operations of a campaign, newest first."""
    rows = await services.operations.list(key, limit=limit + 1, before=position(after, UUID))
    return _page(rows, limit)


@router.get("/operations")
async def list_all_operations(services: Using, limit: Limit = DEFAULT_LIMIT, after: After = None) -> OperationList:
    """All operations, those of the deployment with `campaign` null, newest first."""
    rows = await services.operations.list(None, limit=limit + 1, before=position(after, UUID))
    return _page(rows, limit)


@router.get("/operations/{id}", responses=refusals(NotFoundError))
async def get_operation(id: OperationId, services: Using) -> Operation:
    """One operation, with its progress."""
    return Operation.model_validate(await services.operations.get(id))


@router.post("/operations/{id}/cancel", responses=refusals(NotFoundError, ConflictError))
async def cancel(id: OperationId, services: Using, by: Operator) -> Operation:
    """Cancel an operation after its page, except for the end of a stopped campaign."""
    return Operation.model_validate(await services.operations.cancel(id, by=by))


def _page(rows: Sequence[StoredOperation], limit: int) -> OperationList:
    found, next = cut(rows, limit, lambda operation: operation.id)
    return OperationList(operations=[Operation.model_validate(each) for each in found], next=next)
