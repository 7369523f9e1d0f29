"""Compare the database with Temporal, and show the reports."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from api.auth import Admin, allow
from api.dependencies import ResponseModel, Using, example
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import InvalidCursorError, NotFoundError
from domain.journey.reconciliation import ReconciliationState

router = APIRouter(
    prefix="/v1/reconciliations", tags=["Operations"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

_DONE: dict[str, Any] = {
    "id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e90",
    "state": "done",
    "requested_by": "Sojourn",
    "report": {
        "rows": 1500,
        "workflows": 1499,
        "findings": {
            "row_without_workflow": {"found": 1, "repaired": 1, "examples": ["abandoned-cart/u-1/8f2c41d09a3b"]}
        },
        "campaigns": {"abandoned-cart": {"rows": 1500, "workflows": 1500}},
        "for_people": {},
    },
    "created_at": "2026-11-22T08:00:00Z",
    "started_at": "2026-11-22T08:00:01Z",
    "finished_at": "2026-11-22T08:00:09Z",
}


class FindingCount(ResponseModel):
    found: int
    repaired: int
    examples: list[str] = Field(description="up to 100 workflow ids, message ids or campaign keys")


class JourneyCounts(ResponseModel):
    rows: int = Field(examples=[1500], description="active journeys in the database")
    workflows: int = Field(examples=[1500], description="that run, as Temporal's index has it: it lags by moments")


class Report(ResponseModel):
    rows: int = Field(description="active journeys that were compared")
    workflows: int = Field(description="running workflows that were compared")
    findings: dict[str, FindingCount]
    campaigns: dict[str, JourneyCounts]
    for_people: dict[str, str] = Field(description="what an operator should look at, and why")


class Reconciliation(ResponseModel):
    model_config = example(_DONE)

    id: UUID
    state: ReconciliationState = Field(examples=["done"])
    requested_by: str = Field(examples=["Sojourn"], description="the name of the key, or Sojourn itself, each hour")
    report: Report | None = Field(description="once it is done")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ReconciliationList(ResponseModel):
    model_config = example({"reconciliations": [_DONE], "next": None})

    reconciliations: list[Reconciliation]
    next: str | None = Field(description="pass it as `after` for earlier ones; null at the end")


@router.post("", status_code=202)
async def request_reconciliation(services: Using, by: Admin) -> Reconciliation:
    """Request a comparison of the database with Temporal, with repairs."""
    return Reconciliation.model_validate(await services.reconciliations.request(by=by))


@router.get("", responses=refusals(InvalidCursorError))
async def list_reconciliations(
    services: Using, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> ReconciliationList:
    """The reconciliations, newest first."""
    rows = await services.reconciliations.list(limit=limit + 1, before=position(after, UUID))
    shown, next = cut(rows, limit, lambda one: one.id)
    return ReconciliationList(reconciliations=[Reconciliation.model_validate(each) for each in shown], next=next)


@router.get("/{id}", responses=refusals(NotFoundError))
async def get_reconciliation(id: Annotated[UUID, Path(examples=[_DONE["id"]])], services: Using) -> Reconciliation:
    """One reconciliation, with its report once it is done."""
    return Reconciliation.model_validate(await services.reconciliations.get(id))
