"""Ask what an event would do to a person, without reporting it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import Field

from api.auth import Reader, allow
from api.dependencies import PersonPath, RequestModel, ResponseModel, TextField, Using, example
from api.personal_fields import PeopleAnswer, Personal
from api.previews import Data
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import InvalidRequestError, NotFoundError
from domain.journey.campaign_effects import EffectKind
from domain.journey.state import JourneyStatus
from domain.journey.step_decisions import GateOutcome

router = APIRouter(prefix="/v1/users", tags=["Users"], dependencies=[Depends(allow(Scope.READ))], route_class=Route)

_NEXT: dict[str, Any] = {"step": "cool-off", "status": "waiting", "until": "2026-11-22T08:30:00Z"}
_MESSAGE: dict[str, Any] = {
    "step": "nudge",
    "channel": "push",
    "outcome": "refused",
    "reason": "capped",
    "until": None,
    "data": {"rule": "weekly", "limit": 3, "used": 3},
}
_EFFECT: dict[str, Any] = {
    "kind": "entered",
    "campaign": "abandoned-cart",
    "version": 3,
    "event": "Cart Abandoned",
    "reason": None,
    "journey_id": None,
    "step": None,
    "next": _NEXT,
    "message": _MESSAGE,
    "data": {},
}


class WhatIfRequest(RequestModel):
    model_config = example({"event": "Cart Abandoned", "properties": {"cart_id": "c-1", "value": 120}})

    event: Annotated[TextField, Field(min_length=1, max_length=255, description="the name of a `track` call")]
    properties: Data = Field(default_factory=dict)


class FirstStepView(ResponseModel):
    """Where the new journey would be first."""

    step: str = Field(examples=["cool-off"])
    status: JourneyStatus
    until: datetime | None = Field(description="when it would go on; null where that is not known before")


class FirstMessageView(ResponseModel):
    """The gate's answer to the first message now, as if a delay before it were over."""

    step: str = Field(examples=["nudge"])
    channel: str = Field(examples=["push"])
    outcome: GateOutcome
    reason: str | None = Field(examples=["capped"])
    until: datetime | None = Field(description="when the gate would be asked again")
    data: Personal[dict[str, Any]] = Field(description="what decides it")


class ForeseenEffectView(ResponseModel):
    kind: EffectKind = Field(description="`heard`: a wait of a journey takes the event, now or when it gets there")
    campaign: str = Field(examples=["abandoned-cart"])
    version: int
    event: str = Field(description="the event, or another that it causes, as `joins big-spenders`")
    reason: str | None = Field(examples=["reentry_after"], description="why it is refused, or what ends it")
    journey_id: UUID | None = Field(description="of the journey concerned; null for a new one")
    step: str | None = Field(description="the wait that hears the event")
    next: FirstStepView | None
    message: FirstMessageView | None = Field(
        description="null where a branch, a split or a wait before it may lead elsewhere"
    )
    data: Personal[dict[str, Any]] = Field(description="what decides it")


class Foresight(PeopleAnswer):
    model_config = example(
        {
            "user_id": "u-4711",
            "at": "2026-11-22T08:00:00Z",
            "due": [],
            "effects": [_EFFECT],
            "not_concerned": ["win-back"],
        }
    )

    user_id: str
    at: datetime
    due: list[str] = Field(
        examples=[["leaves new-people"]],
        description="changes of the person by time that no worker has reported yet: they come before the event, which "
        "finds the person so; their own effects on campaigns are not told",
    )
    effects: list[ForeseenEffectView]
    not_concerned: list[str] = Field(description="the other campaigns that are scheduled, running, paused or stopping")


@router.post("/{user_id:path}/what-if", responses=refusals(NotFoundError, InvalidRequestError))
async def foresee(person: PersonPath, request: WhatIfRequest, services: Using, by: Reader) -> Foresight:
    """Say what an event of this user would do now; nothing is reported or changed.

    The routing and the gate are those of real events, with the room that warm-ups and budgets have now. It leaves out
    what the event would state of accounts.
    """
    return Foresight.model_validate(await services.what_if.foresee(person, request.event, request.properties, by=by))
