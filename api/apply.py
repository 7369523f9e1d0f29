"""Apply several campaign documents, all or none."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from api.auth import Author, allow
from api.dependencies import RequestModel, ResponseModel, Using, example
from api.plans import APPLIED, EXAMPLE, HASH, Applied, ApplyRequest
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import ConflictError, InvalidDocumentError, PlanOutdatedError

router = APIRouter(prefix="/v1", tags=["Campaigns"], dependencies=[Depends(allow(Scope.READ))], route_class=Route)

# Enough for a folder of campaigns: each check takes up to a second.
MAX_DOCUMENTS = 100


class ApplyAllRequest(RequestModel):
    """Campaign documents that are published together or not at all."""

    model_config = example({"campaigns": [{**EXAMPLE, "plan": HASH}]})

    campaigns: Annotated[list[ApplyRequest], Field(min_length=1, max_length=MAX_DOCUMENTS)]


class AppliedAll(ResponseModel):
    model_config = example({"applied": [APPLIED]})

    applied: list[Applied] = Field(description="in the order of the request")


@router.post("/apply", responses=refusals(ConflictError, PlanOutdatedError, InvalidDocumentError))
async def apply_all(request: ApplyAllRequest, services: Using, by: Author) -> AppliedAll:
    """Check several documents, then publish all in one transaction, or none."""
    documents = [(each.document(), each.plan) for each in request.campaigns]
    return AppliedAll.model_validate({"applied": await services.plans.apply_all(documents, by=by)})
