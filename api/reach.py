"""The reach of a start or a resumption, before it is requested."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.auth import allow
from api.dependencies import WHOLE, CampaignKey, ResponseModel, Using, example
from api.plans import ForeseenApproval
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import ConflictError, NotFoundError

router = APIRouter(
    prefix="/v1/campaigns", tags=["Campaigns"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

_FORECAST: dict[str, Any] = {"version": 2, "people": 12000, "approval": {"people": 12000, "above": 10000}}


class ReachForecast(ResponseModel):
    model_config = example(_FORECAST)

    version: int
    people: int = Field(
        description="how many it may reach at most, by a sample: who is in the audience, who has reported the event of "
        "the entry within 30 days, and the journeys that go on by it"
    )
    approval: ForeseenApproval | None = Field(
        description="the approval that it would wait for; null if it happens at once"
    )


@router.get("/{key}/reach", responses=refusals(NotFoundError, ConflictError))
async def get_reach(
    key: CampaignKey,
    services: Using,
    action: Annotated[Literal["start", "resume"], Query(description="the change")] = "start",
    version: Annotated[int | None, Query(ge=1, description="to start; the latest one, if left out"), WHOLE] = None,
    in_flight: Annotated[
        Literal["keep", "migrate", "exit"], Query(description="of a start: what becomes of journeys on other versions")
    ] = "keep",
) -> ReachForecast:
    """How many people a start or a resumption may reach, and whether it would wait."""
    if action == "resume":
        return ReachForecast.model_validate(await services.reach.foresee_resume(key))
    return ReachForecast.model_validate(await services.reach.foresee_start(key, version, in_flight))
