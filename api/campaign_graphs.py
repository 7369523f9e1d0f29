"""The graph of a campaign with its numbers, and the numbers of all campaigns."""

from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.auth import allow
from api.dependencies import CampaignKey, ResponseModel, Using, example
from api.entity_tags import Tagged
from api.funnel import NumberByName
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import NotFoundError

router = APIRouter(prefix="/v1", tags=["Campaigns"], dependencies=[Depends(allow(Scope.READ))], route_class=Route)

MAX_DAYS = 90

NODE: dict[str, Any] = {
    "id": "nudge",
    "kind": "send",
    "label": "nudge",
    "within": None,
    "block": None,
    "depth": 0,
    "came": 1000,
    "here": 7,
    "now": {"deferred": 7},
    "oldest_waiting_since": "2026-11-21T22:10:00Z",
    "left": {"exited": 3},
    "refused": {"no_consent": 25, "capped": 40},
    "deferred": {"send_window": 210},
    "held": 0,
    "sent": 900,
    "failed": 2,
    "unknown": 0,
    "cancelled": 12,
    "under_way": 4,
}
EDGE: dict[str, Any] = {"source": "cool-off", "target": "nudge", "label": "", "people": 1000}
_GRAPH: dict[str, Any] = {
    "campaign": "abandoned-cart",
    "version": 2,
    "versions": [1, 2],
    "since": "2026-11-01",
    "at": "2026-11-22T08:00:00Z",
    "nodes": [NODE],
    "edges": [EDGE],
    "ends": {"completed": 700, "exited": 50},
}
_NUMBERS: dict[str, Any] = {
    "key": "abandoned-cart",
    "entered_by_day": [120, 140],
    "in_flight": 250,
    "sent": 231,
    "refused": {"already_in": 31, "no_consent": 9},
    "goals": 26,
    "goal_rate": {"rate": 0.1, "low": 0.069224, "high": 0.142374},
}


class GraphNode(ResponseModel):
    """A step, the entry (`:entry`) or the end (`:end`)."""

    id: str = Field(examples=["nudge"])
    kind: str = Field(examples=["send"], description="the kind of the step, `entry` or `end`")
    label: str
    within: str | None = Field(description="the step in which it stands")
    block: str | None = Field(examples=["on_timeout"], description="the list of that step")
    depth: int = Field(description="how many steps it stands in")
    came: int = Field(examples=[1000], description="journeys that have come to it; each time, in a repetition")
    here: int = Field(examples=[7], description="journeys that are there")
    now: NumberByName = Field(examples=[{"deferred": 7}], description="these, by what they do")
    oldest_waiting_since: datetime | None = Field(description="since when one of these has been there")
    left: NumberByName = Field(examples=[{"exited": 3}], description="journeys that ended there, by outcome")
    refused: NumberByName = Field(
        examples=[{"no_consent": 25}], description="messages, or at the entry events, that were refused, by reason"
    )
    deferred: NumberByName = Field(examples=[{"send_window": 210}], description="how often one was put off, by reason")
    held: int = Field(description="how often one came while the campaign was paused or the person on hold")
    sent: int
    failed: int
    unknown: int = Field(description="it is not known whether they were delivered")
    cancelled: int = Field(description="granted, and not sent")
    under_way: int = Field(description="granted, and not yet settled")


class GraphEdge(ResponseModel):
    """A way from one node to another."""

    source: str = Field(examples=["cool-off"])
    target: str = Field(examples=["nudge"])
    label: str = Field(examples=["timeout"], description="the name of the way; of several, all names")
    people: int = Field(examples=[1000], description="journeys that went it; each time, in a repetition")


class CampaignGraph(ResponseModel):
    model_config = example(_GRAPH)

    campaign: str = Field(examples=["abandoned-cart"])
    version: int
    versions: list[int] = Field(description="those that have had journeys, and the latest")
    since: date = Field(description="the UTC day on which the campaign was made: nothing counted is older")
    at: datetime = Field(description="when it was counted: viewers share what was counted in two seconds")
    nodes: list[GraphNode] = Field(description="the entry, the steps in the order of the document, and the end")
    edges: list[GraphEdge]
    ends: NumberByName = Field(examples=[{"completed": 700}], description="journeys that ended, by outcome")


class GoalRate(ResponseModel):
    rate: float
    low: float = Field(description="the bounds of its 95 % interval")
    high: float


class CampaignNumbers(ResponseModel):
    """A campaign over the last days."""

    key: str = Field(examples=["abandoned-cart"])
    entered_by_day: list[int] = Field(examples=[[120, 140]], description="the earliest day first")
    in_flight: int = Field(description="active journeys now")
    sent: int = Field(description="messages granted on these days and sent")
    refused: NumberByName = Field(examples=[{"no_consent": 9}], description="entries and messages refused, by reason")
    goals: int = Field(description="journeys that entered on these days and reached the goal")
    goal_rate: GoalRate | None = Field(description="their share; null without entries")


class CampaignNumbersList(ResponseModel):
    model_config = example({"since": "2026-11-21", "at": "2026-11-22T08:00:00Z", "campaigns": [_NUMBERS]})

    since: date = Field(description="the first of the UTC days; the last is today")
    at: datetime = Field(description="when it was counted")
    campaigns: list[CampaignNumbers]


@router.get("/campaigns/{key}/graph", responses=refusals(NotFoundError))
async def get_graph(
    key: CampaignKey,
    services: Using,
    tag: Tagged,
    version: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="without it, the running one, else the latest")
    ] = None,
) -> CampaignGraph:
    """A version as a graph: journeys by step, and messages refused by reason.

    At most two seconds old.
    """
    found = await services.campaign_graph(key, version)
    tag.set(found.revision, found.version, found.versions, found.nodes, found.edges, found.ends)
    return CampaignGraph.model_validate(msgspec.to_builtins(found))


@router.get("/campaign-numbers")
async def list_campaign_numbers(
    services: Using,
    tag: Tagged,
    days: Annotated[int, Query(ge=1, le=MAX_DAYS, examples=[14], description="how many UTC days, with today")] = 14,
) -> CampaignNumbersList:
    """All campaigns over the last days: entries, messages, refusals and goals.

    At most two seconds old.
    """
    found = await services.campaign_numbers(days)
    tag.set(0, found.since, found.campaigns)
    return CampaignNumbersList.model_validate(msgspec.to_builtins(found))
