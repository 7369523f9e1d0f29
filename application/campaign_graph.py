"""The graph of a campaign's version, with numbers of journeys and messages."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct, field

from application import campaign_transitions
from application.snapshots import Snapshots
from domain.campaign.compile import Outlined, compile_plan, outline
from domain.campaign.definition import CampaignDocument
from domain.campaign.plan import Plan
from domain.document.yaml_source import read
from domain.errors import NotFoundError
from domain.journey.flow import END, ENTRY, Flow, Move, count_flow, list_edges
from domain.journey.state import EXITED
from store import daily_counts, funnel, journey_moves
from store.daily_counts import StepCount
from store.database import Database
from store.journey_moves import JourneyMoves

# Plans and outlines are derived from the documents, which takes some milliseconds each.
PLANS_KEPT: Final = 500

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
    people: int


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
        self._snapshots: Snapshots[tuple[str, int | None], CampaignGraph] = Snapshots(self._count)

    async def __call__(self, key: str, version: int | None) -> CampaignGraph:
        """Return the graph of a version, else of the running or the latest one.

        Raises NotFoundError.
        """
        return await self._snapshots.get((key, version))

    async def _count(self, asked: tuple[str, int | None]) -> CampaignGraph:
        key, version = asked
        async with self._database.own_transaction() as connection:
            await connection.execute(funnel.ISOLATION)
            campaign = await campaign_transitions.get_or_raise(connection, key)
            number = version or campaign.running_version or campaign.latest_version
            source = (await funnel.documents(connection, key, [number])).get(number)
            if source is None:
                raise NotFoundError(f"campaign {key} has no version {number}", campaign=key, version=number)
            plan, steps = _compile(source)
            moves = await journey_moves.read(connection, key)
            # Journeys of a stopped version count as ended, though their rows may not say so yet.
            here = _count_here(moves, number)
            oldest = await journey_moves.find_oldest(connection, key, number, sorted(here))
            counts = await daily_counts.read_steps(connection, key, number)
            flow = count_flow(plan, _list_moves(moves, number))
            if number in campaign.exiting:
                flow.ended[EXITED] += sum(sum(statuses.values()) for statuses in here.values())
                here = {}
            return CampaignGraph(
                campaign=key,
                version=number,
                revision=campaign.revision,
                versions=sorted({campaign.latest_version, *(move.version for move in moves if move.version)}),
                since=campaign.created_at.astimezone(UTC).date(),
                at=connection.clock.now(),
                nodes=_list_nodes(steps, flow, here, oldest, counts),
                edges=[
                    GraphEdge(
                        source=edge.source,
                        target=edge.target,
                        label=", ".join(edge.labels),
                        people=flow.went[edge.source, edge.target],
                    )
                    for edge in list_edges(plan)
                ],
                ends=dict(sorted(flow.ended.items())),
            )


@lru_cache(PLANS_KEPT)
def _compile(source: str) -> tuple[Plan, Sequence[Outlined]]:
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


def _list_nodes(
    steps: Sequence[Outlined],
    flow: Flow,
    here: Mapping[str, Mapping[str, int]],
    oldest: Mapping[str, datetime],
    counts: Sequence[StepCount],
) -> list[GraphNode]:
    of_step: dict[str, list[StepCount]] = {}
    for count in counts:
        of_step.setdefault(count.step if count.kind != "entry" else ENTRY, []).append(count)
    depths: dict[str | None, int] = {None: -1}
    for step in steps:
        depths[step.id] = depths[step.within] + 1
    entered = sum(people for (source, _), people in flow.went.items() if source == ENTRY)
    refused = _sums((count.reason, count.number) for count in of_step.get(ENTRY, ()) if count.outcome == "refused")
    return [
        GraphNode(id=ENTRY, kind="entry", label="entry", came=entered, refused=refused),
        *(
            GraphNode(
                id=step.id,
                kind=step.kind,
                label=step.id,
                within=step.within,
                block=step.block,
                depth=depths[step.id],
                came=flow.came[step.id],
                here=sum(here.get(step.id, {}).values()),
                now=dict(sorted(here.get(step.id, {}).items())),
                oldest_waiting_since=oldest.get(step.id),
                left=dict(sorted(flow.left.get(step.id, {}).items())),
                **_count_messages(of_step.get(step.id, ())),
            )
            for step in steps
        ),
        GraphNode(id=END, kind="end", label="end", came=flow.came[END]),
    ]


def _count_messages(counts: Sequence[StepCount]) -> dict[str, Any]:
    asked = [count for count in counts if count.kind == "send"]
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
