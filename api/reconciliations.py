"""Compare the database with Temporal, and see what came of it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.auth import Admin, allow
from api.dependencies import ResponseModel, Using
from domain.access import Scope

router = APIRouter(prefix="/v1/reconciliations", tags=["Operations"], dependencies=[Depends(allow(Scope.READ))])


class Found(ResponseModel):
    found: int
    repaired: int
    examples: list[str] = Field(description="up to 100 workflow ids, message ids or campaign keys")


class Agreement(ResponseModel):
    rows: int = Field(examples=[1500], description="active journeys in the database")
    workflows: int = Field(examples=[1500], description="that run, as Temporal's index has it: it lags by moments")


class Report(ResponseModel):
    rows: int = Field(description="active journeys that were compared")
    workflows: int = Field(description="running workflows that were compared")
    findings: dict[str, Found] = Field(
        examples=[
            {"row_without_workflow": {"found": 1, "repaired": 1, "examples": ["abandoned-cart/u-1/8f2c41d09a3b"]}}
        ]
    )
    campaigns: dict[str, Agreement] = Field(examples=[{"abandoned-cart": {"rows": 1500, "workflows": 1500}}])
    for_people: dict[str, str] = Field(description="what somebody should look at, and why")


class Reconciliation(ResponseModel):
    id: UUID
    state: str = Field(examples=["done"], description="pending, running or done")
    requested_by: str = Field(examples=["Sojourn"], description="the name of the key, or Sojourn itself, each hour")
    report: Report | None = Field(description="once it is done")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ReconciliationList(ResponseModel):
    reconciliations: list[Reconciliation]
    next: UUID | None = Field(description="pass it as `after` for earlier ones; null at the end")


@router.post("", status_code=202)
async def request_reconciliation(services: Using, by: Admin) -> Reconciliation:
    """Have a worker compare the database with Temporal, and repair what does not agree."""
    return Reconciliation.model_validate(await services.reconciliations.request(by=by))


@router.get("")
async def list_reconciliations(
    services: Using,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    after: Annotated[UUID | None, Query(description="`next` of the page before")] = None,
) -> ReconciliationList:
    """The reconciliations, newest first."""
    found = await services.reconciliations.list(limit=limit + 1, before=after)
    shown = [Reconciliation.model_validate(each) for each in found[:limit]]
    return ReconciliationList(reconciliations=shown, next=shown[-1].id if len(found) > limit else None)


@router.get("/{id}")
async def get_reconciliation(id: UUID, services: Using) -> Reconciliation:
    """One reconciliation, with its report once it is done."""
    return Reconciliation.model_validate(await services.reconciliations.get(id))
