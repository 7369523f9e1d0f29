"""The nodes and ways of a campaign's document, as every graph of it has them."""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct, field

from domain.campaign.compile import Outlined
from domain.campaign.plan import Plan
from domain.journey.flow import END, ENTRY, list_edges

Numbers = dict[str, int]


class GraphNode(Struct, frozen=True, kw_only=True):
    """A step, the entry or the end, with its journeys and messages.

    `now` has those who are there by status, `left` those who ended there otherwise than by the plan, by outcome.
    """

    id: str
    kind: str
    label: str
    within: str | None = None
    block: str | None = None
    depth: int = 0
    came: int = 0
    here: int = 0
    now: Numbers = field(default_factory=dict)
    oldest_waiting_since: datetime | None = None
    left: Numbers = field(default_factory=dict)
    refused: Numbers = field(default_factory=dict)
    deferred: Numbers = field(default_factory=dict)
    held: int = 0
    sent: int = 0
    failed: int = 0
    unknown: int = 0
    cancelled: int = 0
    under_way: int = 0


class GraphEdge(Struct, frozen=True, kw_only=True):
    """A way between two nodes, with its name, and how many went it."""

    source: str
    target: str
    label: str
    people: int = 0


def list_nodes(steps: Iterable[Outlined]) -> list[GraphNode]:
    """List the nodes of a document in its order, without numbers."""
    depths: dict[str | None, int] = {None: -1}
    nodes = [GraphNode(id=ENTRY, kind="entry", label="entry")]
    for step in steps:
        depths[step.id] = depths[step.within] + 1
        nodes.append(
            GraphNode(
                id=step.id,
                kind=step.kind,
                label=step.id,
                within=step.within,
                block=step.block,
                depth=depths[step.id],
            )
        )
    return [*nodes, GraphNode(id=END, kind="end", label="end")]


def list_ways(plan: Plan) -> list[GraphEdge]:
    """List the ways between the nodes of a plan, without numbers."""
    return [
        GraphEdge(source=edge.source, target=edge.target, label=", ".join(edge.labels)) for edge in list_edges(plan)
    ]
