"""Retry failed messages."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from api.auth import Operator, allow
from api.dependencies import InstantField, RequestModel, ResponseModel, Using, example
from api.journeys import Name
from api.operations import Operation
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import InvalidRequestError, NotFoundError
from domain.sending.retries import RetryFilter, RetryObstacle

router = APIRouter(
    prefix="/v1/messages", tags=["Messages"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

_GROUP: dict[str, Any] = {
    "campaign": "abandoned-cart",
    "step": "nudge",
    "channel": "email",
    "reason": "template_error",
    "provider": "postmark",
    "obstacle": None,
    "messages": 1180,
}


class RetryFailed(RequestModel):
    """Select failed messages; all given conditions must hold."""

    model_config = example({"campaign": "abandoned-cart", "reason": "template_error"})

    campaign: Name | None = Field(None, description="`email:NAME` for single messages by a template")
    step: Name | None = Field(None, description="of the campaign")
    channel: Name | None = None
    provider: Name | None = Field(None, description="the one that had the message")
    reason: Name | None = Field(None, examples=["template_error"], description="why they failed")
    since: InstantField | None = Field(None, description="the first instant of failure that counts")
    until: InstantField | None = Field(None, description="the first that does not count; at the latest, now")
    dry_run: Annotated[bool, Field(description="only count them")] = False

    def filter(self) -> RetryFilter:
        """Return the filter."""
        return RetryFilter(**self.model_dump(include=set(RetryFilter.__struct_fields__)))


class FailedGroup(ResponseModel):
    """Failed messages that have these in common."""

    campaign: str
    step: str
    channel: str
    reason: str | None
    provider: str | None
    obstacle: RetryObstacle | None = Field(
        description="why they are not retried, or will be refused (`suppressed`); null otherwise"
    )
    messages: int


class RetryPlan(ResponseModel):
    """The result of a dry run."""

    model_config = example(
        {
            "failed": 1200,
            "retried": 1180,
            "not_retried": {"expired": 20},
            "groups": [_GROUP, {**_GROUP, "obstacle": "expired", "messages": 20}],
        }
    )

    failed: int = Field(examples=[1200])
    retried: int = Field(examples=[1180], description="the gate is asked about each of these, and may refuse some")
    not_retried: dict[RetryObstacle, int] = Field(examples=[{"expired": 20}], description="the others, by why")
    groups: list[FailedGroup] = Field(description="the largest first")


_DRY_RUN: dict[int | str, dict[str, Any]] = {
    200: {"model": RetryPlan, "description": "A dry run: how many it would be"}
}


@router.post(
    "/retry",
    status_code=202,
    response_model=Operation,
    responses={**_DRY_RUN, **refusals(NotFoundError, InvalidRequestError)},
)
async def retry_failed(request: RetryFailed, services: Using, by: Operator) -> Operation | Response:
    """Retry failed messages through the gate; the operation shows the progress."""
    if request.dry_run:
        plan = RetryPlan.model_validate(await services.retries.plan(request.filter()))
        return JSONResponse(plan.model_dump(mode="json"))
    return Operation.model_validate(await services.retries.request(request.filter(), by=by))
