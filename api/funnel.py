"""The funnel of a campaign's journeys."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.auth import allow
from api.dependencies import CampaignKey, ResponseModel, Using, example
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import NotFoundError

router = APIRouter(
    prefix="/v1/campaigns", tags=["Campaigns"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

NumberByName = dict[str, int]
_STEP: dict[str, Any] = {
    "id": "nudge",
    "kind": "send",
    "within": None,
    "block": None,
    "depth": 0,
    "reached": 1000,
    "now": {"deferred": 7},
    "messages": {
        "sent": 900,
        "delivered": 880,
        "opened": 310,
        "clicked": 95,
        "bounced": 12,
        "complained": 1,
        "replied": 3,
        "under_way": 4,
        "failed": 2,
        "unknown": 0,
        "cancelled": 12,
        "capped": 40,
        "refused": {"no_consent": 25},
        "deferred": {"send_window": 210},
        "held": 0,
        "costs": [{"channel": "email", "provider": "postmark", "messages": 900, "amount": "6.75", "currency": "EUR"}],
    },
}
_FUNNEL: dict[str, Any] = {
    "campaign": "abandoned-cart",
    "not_let_in": {"already_in": 31},
    "versions": [
        {
            "version": 2,
            "entered": 1000,
            "active": 250,
            "outcomes": {"completed": 700, "exited": 50},
            "exits": {"manual": 5, "exit_event": 45},
            "goals": 120,
            "arms": [{"step": "offer", "arm": "discount", "journeys": 450, "goals": 61}],
            "steps": [_STEP],
        }
    ],
}


class CostSum(ResponseModel):
    """The cost of messages by one provider that were sent, or may have been."""

    channel: str = Field(examples=["email"])
    provider: str = Field(examples=["postmark"])
    messages: int = Field(examples=[900])
    amount: str = Field(examples=["6.75"], description="a decimal number")
    currency: str = Field(examples=["EUR"])


class SendFunnel(ResponseModel):
    """Messages of a step by outcome; `deferred` and `held` count journeys."""

    sent: int = Field(examples=[900])
    delivered: int = Field(examples=[880], description="of those sent, as providers report it; and so on")
    opened: int = Field(examples=[310], description="of those sent")
    clicked: int = Field(examples=[95], description="of those sent")
    bounced: int = Field(examples=[12], description="of those sent")
    complained: int = Field(examples=[1], description="of those sent: marked as spam")
    replied: int = Field(examples=[3], description="of those sent")
    under_way: int = Field(examples=[4], description="granted, and not yet settled")
    failed: int
    unknown: int = Field(description="it is not known whether they were delivered")
    cancelled: int = Field(examples=[12], description="granted, and not sent: the journey ended, or the window closed")
    capped: int = Field(examples=[40], description="refused by a frequency cap")
    refused: NumberByName = Field(examples=[{"no_consent": 25}], description="refused for each other reason")
    deferred: NumberByName = Field(examples=[{"send_window": 210}], description="journeys that were put off, by reason")
    held: int = Field(description="journeys that came here while the campaign was paused or the person on hold")
    costs: list[CostSum] = Field(description="by the prices of the providers that have one")


class StepFunnel(ResponseModel):
    id: str = Field(examples=["nudge"])
    kind: str = Field(examples=["send"])
    within: str | None = Field(description="the step in which it stands")
    block: str | None = Field(examples=["on_timeout"], description="the list of that step")
    depth: int = Field(description="how many steps it stands in")
    reached: int = Field(examples=[1000], description="journeys that have come to it")
    now: NumberByName = Field(examples=[{"deferred": 7}], description="journeys that are there, by what they do")
    messages: SendFunnel | None = Field(description="of a send")


class ArmFunnel(ResponseModel):
    step: str = Field(examples=["offer"], description="the split")
    arm: str = Field(examples=["discount"])
    journeys: int = Field(examples=[450], description="that were sent this way")
    goals: int = Field(examples=[61], description="that reached the goal afterwards")


class VersionFunnel(ResponseModel):
    """The journeys on a version, now or at their end."""

    version: int
    entered: int = Field(examples=[1000])
    active: int = Field(examples=[250])
    outcomes: NumberByName = Field(examples=[{"completed": 700, "exited": 50}], description="how the others ended")
    exits: NumberByName = Field(examples=[{"exit_event": 45, "manual": 5}], description="why some were ended")
    goals: int = Field(examples=[120])
    arms: list[ArmFunnel]
    steps: list[StepFunnel] = Field(description="in the order of the document")


class Funnel(ResponseModel):
    model_config = example(_FUNNEL)

    campaign: str = Field(examples=["abandoned-cart"])
    not_let_in: NumberByName = Field(
        examples=[{"already_in": 31}], description="events that started no journey, by why"
    )
    versions: list[VersionFunnel]


@router.get("/{key}/funnel", responses=refusals(NotFoundError))
async def get_funnel(
    key: CampaignKey, services: Using, version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None
) -> Funnel:
    """Entries, reached steps, outcomes of messages and of journeys, in one snapshot."""
    return Funnel.model_validate(await services.funnel(key, version))
