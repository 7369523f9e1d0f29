"""What is being done to many journeys or users of a campaign, and how far it is."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.auth import Operator, allow
from api.dependencies import CampaignKey, ResponseModel, Using
from domain.access import Scope

router = APIRouter(prefix="/v1", tags=["Operations"], dependencies=[Depends(allow(Scope.READ))])


class Operation(ResponseModel):
    id: UUID
    campaign: str = Field(validation_alias="campaign_key", examples=["abandoned-cart"])
    kind: str = Field(examples=["migrate"], description="exit, skip, migrate, enrol or resume")
    state: str = Field(examples=["running"], description="pending, running, done or cancelled")
    total: int | None = Field(examples=[5000], description="how many there were to begin with, where that is known")
    done: int = Field(examples=[1500])
    counts: dict[str, int] = Field(examples=[{"moved": 1488, "stayed": 12}], description="what became of them")
    parameters: dict[str, Any] = Field(examples=[{"to_version": 2}])
    requested_by: str = Field(examples=["deployments"], description="the name of the key, or Sojourn itself")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class OperationList(ResponseModel):
    operations: list[Operation]
    next: UUID | None = Field(description="pass it as `after` for what was asked for earlier; null at the end")


@router.get("/campaigns/{key}/operations")
async def list_operations(
    key: CampaignKey,
    services: Using,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    after: Annotated[UUID | None, Query(description="`next` of the page before")] = None,
) -> OperationList:
    """The operations of a campaign, newest first."""
    found = await services.operations.list(key, limit=limit + 1, before=after)
    shown = [Operation.model_validate(each) for each in found[:limit]]
    return OperationList(operations=shown, next=shown[-1].id if len(found) > limit else None)


@router.get("/operations/{id}")
async def get_operation(id: UUID, services: Using) -> Operation:
    """One operation, and how far it is."""
    return Operation.model_validate(await services.operations.get(id))


@router.post("/operations/{id}/cancel")
async def cancel(id: UUID, services: Using, by: Operator) -> Operation:
    """Leave an operation where it is. What is done stays done; ending a stopped campaign cannot be cancelled."""
    return Operation.model_validate(await services.operations.cancel(id, by=by))
