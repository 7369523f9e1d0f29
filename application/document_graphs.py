"""The graph of a document as it is typed, with the people who are at its steps."""

from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from application.campaign_graph import CampaignGraph, CampaignGraphs
from application.campaign_texts import check_campaign_of, find_compared_version, text_of
from application.documents import CampaignText, Documents
from application.graph_shape import GraphEdge, GraphNode, list_nodes, list_ways
from domain.campaign.compile import outline
from domain.campaign.difference import Change
from domain.campaign.publication import Published
from domain.campaign.step_lines import find_lines
from domain.journey.flow import ENTRY
from store import campaigns
from store.database import Database


class LocatedNode(GraphNode, frozen=True, kw_only=True):
    """A node with its line in the document; the end has none."""

    line: int | None


class DocumentGraph(Struct, frozen=True):
    """A document as a graph, with its changes and numbers of the running version.

    A step has the numbers of the step of the same id. Without a running version, `counts_of` is None, and nothing is
    counted. `changes` are those since version `compared_with`: the running one, else the latest.
    """

    campaign: str
    compared_with: int | None
    counts_of: int | None
    changes: list[Change]
    nodes: list[LocatedNode]
    edges: list[GraphEdge]


class DocumentGraphs:
    """Draws documents that need not be published."""

    def __init__(self, database: Database, documents: Documents, graphs: CampaignGraphs) -> None:
        self._database = database
        self._documents = documents
        self._graphs = graphs

    async def __call__(self, key: str, text: CampaignText) -> DocumentGraph:
        """Check a document, and draw it. Raises InvalidDocumentError."""
        checked = await check_campaign_of(self._database, self._documents, key, text)
        async with self._database.own_transaction() as connection:
            campaign = await campaigns.campaign(connection, key)
            before = await find_compared_version(connection, campaign)
        # No connection waits for the comparison.
        after = CampaignText(text.source, text.file, checked.templates)
        changes = await self._documents.changes(text_of(before), after)
        running = campaign.running_version if campaign else None
        counted = None if running is None else await self._graphs(key, running)
        nodes, edges = _draw(checked, counted)
        return DocumentGraph(key, before.version if before else None, running, changes, nodes, edges)


def _draw(checked: Published, counted: CampaignGraph | None) -> tuple[list[LocatedNode], list[GraphEdge]]:
    """Draw a document with the numbers of a version."""
    numbers = {node.id: node for node in counted.nodes} if counted else {}
    people = {(edge.source, edge.target): edge.people for edge in counted.edges} if counted else {}
    lines = find_lines(checked.source)
    lines[ENTRY] = checked.source.line(("entry",))
    nodes = [
        LocatedNode(**_add_numbers(node, numbers.get(node.id)), line=lines.get(node.id, lines.get(node.within or "")))
        for node in list_nodes(outline(checked.definition))
    ]
    ways = list_ways(checked.plan)
    return nodes, [replace(way, people=people.get((way.source, way.target), 0)) for way in ways]


def _add_numbers(node: GraphNode, counted: GraphNode | None) -> dict[str, Any]:
    shape = {"kind": node.kind, "label": node.label, "within": node.within, "block": node.block, "depth": node.depth}
    return asdict(node) if counted is None else {**asdict(counted), **shape}
