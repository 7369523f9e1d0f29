"""Apply several campaign documents, all or none."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.auth import Author, MayStart, allow
from api.dependencies import RequestModel, ResponseModel, Using, example
from api.plans import APPLIED, EXAMPLE, HASH, MAY_WAIT, Applied, ApplyRequest
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


@router.post(
    "/apply",
    responses={
        202: {"model": AppliedAll, "description": MAY_WAIT},
        **refusals(ConflictError, PlanOutdatedError, InvalidDocumentError),
    },
)
async def apply_all(
    request: ApplyAllRequest, response: Response, services: Using, by: Author, may_start: MayStart
) -> AppliedAll:
    """Check several documents, then publish all in one transaction, or none.

    With a key of scope `author` alone, starts wait for another person.
    """
    documents = [(each.document_of(may_start=may_start), each.plan) for each in request.campaigns]
    applied = await services.plans.apply_all(documents, by=by)
    if any(one.approval is not None for one in applied):
        response.status_code = 202
    return AppliedAll.model_validate({"applied": applied})
