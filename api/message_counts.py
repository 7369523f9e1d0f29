"""Numbers of messages by state, and the pressure of caps."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.auth import allow
from api.dependencies import ResponseModel, Using, example
from api.entity_tags import Tagged
from api.funnel import NumberByName
from api.message_filters import AskedMessages
from api.problems import refusals
from api.routes import Route
from api.utc_days import CountedDays, DayNumbers
from domain.access import Scope
from domain.errors import InvalidRequestError
from store.daily_counts import MessageGrouping

router = APIRouter(prefix="/v1", tags=["Messages"], dependencies=[Depends(allow(Scope.READ))], route_class=Route)

_DAYS: dict[str, Any] = {"first_day": "2026-11-16", "last_day": "2026-11-22"}
_GROUP: dict[str, Any] = {"value": "email", "states": {"sent": 900, "failed": 2}}
_DAY: dict[str, Any] = {"day": "2026-11-22", "granted": 5100, "deferred": 210, "refused": 40}
_CAMPAIGN: dict[str, Any] = {"campaign": "abandoned-cart", "deferred": 200, "refused": 15}
_TAKEN: dict[str, Any] = {"campaign": "abandoned-cart", "by": "weekly-letter", "times": 160}
_RULE: dict[str, Any] = {"rule": "marketing-daily", "days": [_DAY], "campaigns": [_CAMPAIGN], "taken": [_TAKEN]}


class MessageGroup(ResponseModel):
    value: str = Field(examples=["email"], description="empty for messages that have none, such as no provider yet")
    states: NumberByName = Field(examples=[{"sent": 900}], description="messages by their state now")


class MessageNumbers(DayNumbers):
    model_config = example({**_DAYS, "groups": [_GROUP]})

    groups: list[MessageGroup]


class PressureOfDay(ResponseModel):
    """How often a rule put messages off, and refused them."""

    day: date
    granted: int | None = Field(
        description="messages that went and count in the rule, other than in the app; null if it is no longer in force"
    )
    deferred: int
    refused: int


class PressureOfCampaign(ResponseModel):
    """How often a rule put messages of a campaign off, and refused them."""

    campaign: str
    deferred: int
    refused: int


class TakenRoom(ResponseModel):
    """How often a campaign's messages had the room that another needed, or itself."""

    campaign: str = Field(description="whose messages were put off or refused")
    by: str = Field(examples=["weekly-letter"], description="whose messages had the room")
    times: int


class RulePressure(ResponseModel):
    rule: str = Field(examples=["marketing-daily"], description="of a cap or a budget")
    days: list[PressureOfDay]
    campaigns: list[PressureOfCampaign]
    taken: list[TakenRoom] = Field(description="the most frequent first")


class CapPressure(DayNumbers):
    model_config = example({**_DAYS, "rules": [_RULE]})

    rules: list[RulePressure]


@router.get("/message-counts", responses=refusals(InvalidRequestError))
async def count_messages(
    which: AskedMessages,
    services: Using,
    tag: Tagged,
    by: Annotated[MessageGrouping, Query(description="what the groups are")] = "channel",
) -> MessageNumbers:
    """Messages granted on these days, by their states now."""
    states: dict[str, dict[str, int]] = {}
    for one in await services.message_counts.count(which, by):
        states.setdefault(one.value, {})[one.state] = one.number
    tag.set(0, (which, states))
    return MessageNumbers(
        first_day=which.first,
        last_day=which.last,
        groups=[MessageGroup(value=value, states=numbers) for value, numbers in states.items()],
    )


@router.get("/caps/pressure", responses=refusals(InvalidRequestError))
async def get_cap_pressure(period: CountedDays, services: Using, tag: Tagged) -> CapPressure:
    """How often each rule of caps and budgets let messages through, or held them back."""
    found = await services.cap_pressure(period.first, period.last)
    tag.set(0, (period, found))
    return CapPressure(
        first_day=period.first, last_day=period.last, rules=[RulePressure.model_validate(rule) for rule in found]
    )
