"""The flow of a version's journeys through its plan, by their recorded moves.

A journey records a position where it rests or asks something, so the way between two of them is the shortest one: steps
that it would pass on another way would have recorded theirs. A move that answered a step's request leads through it.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct, field

from domain.campaign.plan import Exit, Plan, list_ways
from domain.journey.state import COMPLETED

# No step has such an id: an author's has no colon.
ENTRY: Final = ":entry"
END: Final = ":end"


class Move(Struct, frozen=True):
    """Journeys that went from one position to another.

    From an empty step they have come in, or from another version. An `outcome` is the end.
    """

    from_step: str
    via: str
    step: str
    outcome: str
    is_entry: bool
    number: int


class Edge(Struct, frozen=True):
    """A way from one step to another, with the names of all ways between them."""

    source: str
    target: str
    labels: tuple[str, ...]


class Flow(Struct, frozen=True):
    """How often journeys came to each step, and went each way.

    A journey that comes again, in a repetition, counts again. `left` counts those that ended at a step otherwise than
    by the plan, by outcome; `ended` all by outcome.
    """

    came: Counter[str] = field(default_factory=Counter)
    went: Counter[tuple[str, str]] = field(default_factory=Counter)
    left: dict[str, Counter[str]] = field(default_factory=dict)
    ended: Counter[str] = field(default_factory=Counter)


def list_edges(plan: Plan) -> list[Edge]:
    """List the ways between the steps of a plan, its entry and its end."""
    found: dict[tuple[str, str], dict[str, None]] = {(ENTRY, plan.start or END): {}}
    for node in plan.nodes.values():
        for following, label in list_ways(node):
            labels = found.setdefault((node.id, following or END), {})
            if label:
                labels[label] = None
        for following in _list_stops(plan, node.id):
            found.setdefault((node.id, following or END), {})
    return [Edge(source, target, tuple(labels)) for (source, target), labels in found.items()]


def count_flow(plan: Plan, moves: Iterable[Move]) -> Flow:
    """Count what the moves of a version's journeys passed."""
    ways: dict[str, list[str]] = {}
    for edge in list_edges(plan):
        ways.setdefault(edge.source, []).append(edge.target)
    flow = Flow()
    for move in moves:
        at = _pass(plan, ways, flow, move)
        if move.outcome:
            flow.ended[move.outcome] += move.number
            if at is not None and at in plan.nodes:
                flow.left.setdefault(at, Counter())[move.outcome] += move.number
    return flow


def _pass(plan: Plan, ways: Mapping[str, Sequence[str]], flow: Flow, move: Move) -> str | None:
    """Count one move; return where its journeys ended otherwise than by the plan."""
    at = ENTRY if move.is_entry else move.from_step
    if move.via and move.via != at:
        _walk(ways, flow, at, {move.via}, move.number)
        at = move.via
    if not move.outcome:
        if move.step != at:
            _walk(ways, flow, at, {move.step} if move.step else {END}, move.number)
        return None
    ends = {node.id for node in plan.nodes.values() if isinstance(node, Exit) and node.outcome == move.outcome}
    if move.outcome == COMPLETED:
        ends.add(END)
    return None if ends and _walk(ways, flow, at, ends, move.number) else at


def _walk(ways: Mapping[str, Sequence[str]], flow: Flow, start: str, ends: set[str], number: int) -> bool:
    """Count the steps of the shortest way to an end; return whether there is one.

    Without one, as from another version, a step that was reached counts alone.
    """
    came_from: dict[str, str] = {}
    waiting = deque([start])
    while waiting:
        at = waiting.popleft()
        for following in ways.get(at, ()):
            if following in came_from:
                continue
            came_from[following] = at
            if following in ends:
                for source, target in _trace(came_from, start, following):
                    flow.came[target] += number
                    flow.went[source, target] += number
                return True
            waiting.append(following)
    if len(ends) == 1 and END not in ends:
        flow.came[next(iter(ends))] += number
    return False


def _trace(came_from: Mapping[str, str], start: str, end: str) -> Iterator[tuple[str, str]]:
    target = end
    while True:
        source = came_from[target]
        yield source, target
        if source == start:
            return
        target = source


def _list_stops(plan: Plan, step: str) -> Iterator[str | None]:
    """List where an event leads that ends a repetition at any of its steps."""
    for repeat in plan.repetitions(step):
        if repeat.until is not None:
            yield repeat.next
