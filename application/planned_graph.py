"""The graph of a planned document, with the people who are at its steps."""

from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from application.campaign_graph import CampaignGraphs
from application.graph_shape import GraphEdge, GraphNode, list_nodes, list_ways
from domain.campaign.compile import outline
from domain.campaign.publication import Published
from domain.campaign.step_lines import find_lines
from domain.journey.flow import ENTRY


class PlannedNode(GraphNode, frozen=True, kw_only=True):
    """A node with its line in the document; the end has none."""

    line: int | None


class PlannedGraph(Struct, frozen=True):
    """A document as a graph, with numbers of the running version.

    A step has those of the step of the same id. Without a running version, `counts_of` is None, and nothing is counted.
    """

    counts_of: int | None
    nodes: list[PlannedNode]
    edges: list[GraphEdge]


async def draw(graphs: CampaignGraphs, checked: Published, running_version: int | None) -> PlannedGraph:
    """Draw a checked document with the numbers of the running version, if any."""
    nodes: dict[str, GraphNode] = {}
    people: dict[tuple[str, str], int] = {}
    if running_version is not None:
        counted = await graphs(checked.definition.key, running_version)
        nodes = {node.id: node for node in counted.nodes}
        people = {(edge.source, edge.target): edge.people for edge in counted.edges}
    lines = find_lines(checked.source)
    lines[ENTRY] = checked.source.line(("entry",))
    return PlannedGraph(
        counts_of=running_version,
        nodes=[
            PlannedNode(**_add_numbers(node, nodes.get(node.id)), line=lines.get(node.id, lines.get(node.within or "")))
            for node in list_nodes(outline(checked.definition))
        ],
        edges=[replace(way, people=people.get((way.source, way.target), 0)) for way in list_ways(checked.plan)],
    )


def _add_numbers(node: GraphNode, counted: GraphNode | None) -> dict[str, Any]:
    shape = {"kind": node.kind, "label": node.label, "within": node.within, "block": node.block, "depth": node.depth}
    return asdict(node) if counted is None else {**asdict(counted), **shape}
