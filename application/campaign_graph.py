"""The graph of a campaign's version, with numbers of journeys and messages."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from application import campaign_transitions
from application.graph_shape import GraphEdge, GraphNode, Numbers, list_nodes, list_ways
from application.snapshots import Snapshots
from domain.campaign.compile import Outlined, compile_plan, outline
from domain.campaign.definition import CampaignDocument
from domain.campaign.plan import Plan
from domain.document.yaml_source import read
from domain.errors import NotFoundError
from domain.journey.flow import ENTRY, Flow, Move, count_flow
from domain.journey.state import EXITED
from store import daily_counts, funnel, journey_moves
from store.daily_counts import StepCount
from store.database import Database
from store.journey_moves import JourneyMoves

# Plans and outlines are derived from the documents, which takes some milliseconds each.
PLANS_KEPT: Final = 500
CompiledVersion = tuple[Plan, Sequence[Outlined]]


class CampaignGraph(Struct, frozen=True, kw_only=True):
    """A version's graph. `versions` are those with journeys, and the latest.

    `since` is the UTC day on which the campaign was made: nothing that is counted is older.
    """

    campaign: str
    version: int
    revision: int
    versions: list[int]
    since: date
    at: datetime
    nodes: list[GraphNode]
    edges: list[GraphEdge]
    ends: Numbers


class CampaignGraphs:
    """Counts the journeys of a version; viewers share what was counted."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # A version never changes.
        self._compiled: OrderedDict[tuple[str, int], CompiledVersion] = OrderedDict()
        self._snapshots: Snapshots[tuple[str, int | None], CampaignGraph] = Snapshots(self._count)

    async def __call__(self, key: str, version: int | None) -> CampaignGraph:
        """Return the graph of a version, else of the running or the latest one.

        Raises NotFoundError.
        """
        return await self._snapshots.get((key, version))

    async def _count(self, asked: tuple[str, int | None]) -> CampaignGraph:
        key, version = asked
        async with self._database.own_transaction() as connection:
            campaign = await campaign_transitions.get_or_raise(connection, key)
            number = version or campaign.running_version or campaign.latest_version
            source = (await funnel.documents(connection, key, [number])).get(number)
        if source is None:
            raise NotFoundError(f"campaign {key} has no version {number}", campaign=key, version=number)
        # No connection waits for it.
        plan, steps = await self._compile(key, number, source)
        async with self._database.snapshot() as connection:
            campaign = await campaign_transitions.get_or_raise(connection, key)
            moves = await journey_moves.read(connection, key)
            # Journeys of a stopped version count as ended, though their rows may not say so yet.
            here = _count_here(moves, number)
            flow = count_flow(plan, _list_moves(moves, number))
            if number in campaign.exiting:
                flow.ended[EXITED] += sum(sum(statuses.values()) for statuses in here.values())
                here = {}
            oldest = await journey_moves.find_oldest(connection, key, number, sorted(here))
            counts = await daily_counts.read_steps(connection, key, number)
            return CampaignGraph(
                campaign=key,
                version=number,
                revision=campaign.revision,
                versions=sorted({campaign.latest_version, *(move.version for move in moves if move.version)}),
                since=campaign.created_at.astimezone(UTC).date(),
                at=connection.clock.now(),
                nodes=_count_nodes(list_nodes(steps), flow, here, oldest, counts),
                edges=[replace(way, people=flow.went[way.source, way.target]) for way in list_ways(plan)],
                ends=dict(sorted(flow.ended.items())),
            )

    async def _compile(self, key: str, version: int, source: str) -> CompiledVersion:
        compiled = self._compiled.get((key, version))
        if compiled is None:
            compiled = await asyncio.to_thread(_compile, source)
        self._compiled[key, version] = compiled
        self._compiled.move_to_end((key, version))
        if len(self._compiled) > PLANS_KEPT:
            self._compiled.popitem(last=False)
        return compiled


def _compile(source: str) -> CompiledVersion:
    definition = CampaignDocument.model_validate(read(source, "").data)
    return compile_plan(definition), outline(definition)


def _list_moves(moves: Iterable[JourneyMoves], version: int) -> Iterator[Move]:
    """List the moves to positions of a version."""
    for move in moves:
        if move.version == version and not move.from_outcome:
            is_same = move.from_version == version
            yield Move(
                move.from_step if is_same else "",
                move.via if is_same else "",
                move.step,
                move.outcome,
                is_entry=move.from_version == 0,
                number=move.number,
            )


def _count_here(moves: Iterable[JourneyMoves], version: int) -> dict[str, Counter[str]]:
    """Count the active journeys at each step by status: who came, less who went on."""
    here: dict[str, Counter[str]] = {}
    for move in moves:
        if move.version == version and not move.outcome:
            here.setdefault(move.step, Counter())[move.status] += move.number
        if move.from_version == version and not move.from_outcome:
            here.setdefault(move.from_step, Counter())[move.from_status] -= move.number
    return {step: counted for step, statuses in here.items() if (counted := +statuses)}


def _count_nodes(
    nodes: Sequence[GraphNode],
    flow: Flow,
    here: Mapping[str, Mapping[str, int]],
    oldest: Mapping[str, datetime],
    counts: Sequence[StepCount],
) -> list[GraphNode]:
    of_step: dict[str, list[StepCount]] = {}
    for count in counts:
        of_step.setdefault(count.step if count.kind != "entry" else ENTRY, []).append(count)
    came = {**flow.came, ENTRY: sum(people for (source, _), people in flow.went.items() if source == ENTRY)}
    return [
        replace(
            node,
            came=came.get(node.id, 0),
            here=sum(here.get(node.id, {}).values()),
            now=dict(sorted(here.get(node.id, {}).items())),
            oldest_waiting_since=oldest.get(node.id),
            left=dict(sorted(flow.left.get(node.id, {}).items())),
            **_count_messages(of_step.get(node.id, ())),
        )
        for node in nodes
    ]


def _count_messages(counts: Sequence[StepCount]) -> dict[str, Any]:
    asked = [count for count in counts if count.kind in ("send", "entry")]
    states = _sums((count.outcome, count.number) for count in counts if count.kind == "message")
    return {
        "refused": _sums((count.reason, count.number) for count in asked if count.outcome == "refused"),
        "deferred": _sums((count.reason, count.number) for count in asked if count.outcome == "deferred"),
        "held": sum(count.number for count in asked if count.outcome == "held"),
        "under_way": states.get("reserved", 0) + states.get("sending", 0),
        **{state: states.get(state, 0) for state in ("sent", "failed", "unknown", "cancelled")},
    }


def _sums(numbers: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for name, number in numbers:
        sums[name or "unknown"] += number
    return dict(sorted(sums.items()))
