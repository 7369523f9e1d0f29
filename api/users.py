"""The timeline of a user, and suppressions."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.auth import Operator, Reader, allow
from api.dependencies import (
    ChangedPersonPath,
    ChannelPath,
    PersonPath,
    RequestModel,
    ResponseModel,
    TextField,
    Using,
    example,
)
from api.pages import DEFAULT_LIMIT, Limit
from api.personal_fields import PeopleAnswer, Personal
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import NotFoundError
from domain.journey.state import JourneyStatus

router = APIRouter(prefix="/v1/users", tags=["Users"], dependencies=[Depends(allow(Scope.READ))], route_class=Route)


class PersonChange(ResponseModel):
    part: str = Field(
        examples=["traits"],
        description="traits, consent, preferences (subscriptions and pace), suppressed, addresses, accounts, context "
        "(of the device), stage or identity",
    )
    source: str = Field(examples=["event"], description="event, link, operator, step or merge")
    summary: Personal[str] = Field(examples=["traits: plan"], description="for people")
    changes: Personal[dict[str, Any]] = Field(
        examples=[{"plan": {"before": "free", "after": "pro"}}],
        description="the values before and after, by name; of an identity, what was linked or merged",
    )


class TimelineItem(ResponseModel):
    at: datetime
    kind: str = Field(
        examples=["send"], description="event, change, entry, send, branch, message, goal, segment, exit, end, …"
    )
    summary: Personal[str] = Field(
        examples=["nudge: refused: capped: 3 of 3 in 604800 s (weekly)"], description="for people"
    )
    outcome: str | None = Field(examples=["refused"], description="what came of it; null for an event")
    campaign: str | None
    journey_id: str | None
    step: str | None
    reason: str | None = Field(examples=["capped"], description="why, for programs")
    data: Personal[dict[str, Any]] = Field(description="what decided it")
    url: str | None = Field(description="the journey in the Temporal UI")
    changes: list[PersonChange] = Field([], description="what it changed of the person")


TIMELINE_ITEM: dict[str, Any] = {
    "at": "2026-11-22T08:00:00Z",
    "kind": "send",
    "summary": "nudge: refused: capped: 3 of 3 in 604800 s (weekly)",
    "outcome": "refused",
    "campaign": "abandoned-cart",
    "journey_id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e90",
    "step": "nudge",
    "reason": "capped",
    "data": {"rule": "weekly", "limit": 3, "used": 3},
    "url": None,
    "changes": [],
}


class Now(ResponseModel):
    """The position of an active journey."""

    campaign: str
    entry_key: Personal[str] = Field(
        examples=["c-1"], description="what tells the journeys of one user apart; empty without one"
    )
    journey_id: str
    step: str | None = Field(description="null until it has said where it is")
    status: JourneyStatus | None = Field(examples=["waiting"], description="what it does at its step")
    until: datetime | None = Field(description="null where it waits for no instant")
    timezone: str = Field(examples=["Europe/Berlin"], description="in which the recipient's local times are meant")
    summary: Personal[str] = Field(examples=["waits at cool-off until 06:38 (Europe/Berlin), in abandoned-cart (c-1)"])
    url: str = Field(description="the journey in the Temporal UI")


_NOW: dict[str, Any] = {
    "campaign": "abandoned-cart",
    "entry_key": "c-1",
    "journey_id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e90",
    "step": "cool-off",
    "status": "waiting",
    "until": "2026-11-22T05:38:00Z",
    "timezone": "Europe/Berlin",
    "summary": "waits at cool-off until 06:38 (Europe/Berlin), in abandoned-cart (c-1)",
    "url": "http://localhost:8233/namespaces/default/workflows/abandoned-cart%2Fu-4711%2F2f1c3b5a7e90",
}


class Timeline(PeopleAnswer):
    model_config = example({"user_id": "u-4711", "items": [TIMELINE_ITEM], "now": [_NOW], "next": None})

    user_id: str
    items: list[TimelineItem]
    now: list[Now] = Field(description="where each active journey is, newest first; only with the latest page")
    next: str | None = Field(description="pass it as `before` for what came earlier; null at the beginning")


class SuppressionRequest(RequestModel):
    model_config = example({"reason": "asked support to stop"})

    reason: Annotated[TextField, Field(min_length=1, max_length=255, examples=["asked support to stop"])]


@router.get("/{user_id:path}/timeline", responses=refusals(NotFoundError))
async def timeline(
    person: PersonPath,
    services: Using,
    by: Reader,
    limit: Limit = DEFAULT_LIMIT,
    before: Annotated[TextField | None, Query(description="`next` of the page before")] = None,
) -> Timeline:
    """Events, entries, decisions with reasons, messages and exits of one user."""
    return Timeline.model_validate(await services.explain.timeline(person, limit=limit, before=before, by=by))


@router.put("/{user_id:path}/suppressions/{channel}", status_code=204, responses=refusals(NotFoundError))
async def suppress(
    person: ChangedPersonPath, channel: ChannelPath, request: SuppressionRequest, services: Using, by: Operator
) -> None:
    """Suppress a channel for this user, and for their present address on it."""
    await services.recipients.suppress(person, channel, request.reason, by=by)


@router.delete("/{user_id:path}/suppressions/{channel}", status_code=204, responses=refusals(NotFoundError))
async def lift(person: ChangedPersonPath, channel: ChannelPath, services: Using, by: Operator) -> None:
    """Lift the suppression of a channel and the address's refusals, but not `consent`."""
    await services.recipients.lift(person, channel, by=by)
