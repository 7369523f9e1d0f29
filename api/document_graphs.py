"""The graph of a campaign's document as it is typed."""

from typing import Any

from fastapi import APIRouter, Depends
from pydantic import Field

from api.auth import allow
from api.campaign_graphs import EDGE, NODE, GraphEdge, GraphNode
from api.campaigns import PublishRequest
from api.dependencies import CampaignKey, ResponseModel, Using, example
from api.plans import PLAN, Change
from api.problems import refusals
from api.routes import Route
from application.documents import CampaignText
from domain.access import Scope
from domain.errors import InvalidDocumentError

router = APIRouter(
    prefix="/v1/campaigns/{key}", tags=["Campaigns"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

_GRAPH: dict[str, Any] = {
    "campaign": "abandoned-cart",
    "compared_with": 1,
    "counts_of": 1,
    "changes": PLAN["changes"],
    "nodes": [{**NODE, "line": 12}],
    "edges": [EDGE],
}


class DocumentNode(GraphNode):
    line: int | None = Field(examples=[12], description="of the document; null of the end")


class DocumentGraph(ResponseModel):
    """A document as a graph, as `GET …/graph` has that of a version."""

    model_config = example(_GRAPH)

    campaign: str
    compared_with: int | None = Field(description="the version that runs, else the latest; null of a new campaign")
    counts_of: int | None = Field(
        description="the running version, whose numbers the steps of the same ids have; null if there is none"
    )
    changes: list[Change] = Field(description="those since `compared_with`, as a plan tells them")
    nodes: list[DocumentNode] = Field(description="the entry, the steps in the order of the document, and the end")
    edges: list[GraphEdge]


@router.post("/graph", responses=refusals(InvalidDocumentError))
async def draw_document(key: CampaignKey, request: PublishRequest, services: Using) -> DocumentGraph:
    """A document as a graph, with its changes and the line of each step.

    It need not be published, and nothing is planned: a plan counts the journeys and people that it meets.
    """
    text = CampaignText(request.source, request.file, request.templates)
    return DocumentGraph.model_validate(await services.document_graphs(key, text))
