"""The ways that journeys may take through a campaign, and have taken."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from msgspec import Struct

from domain.campaign.plan import Node, Plan, Send, Until, WaitFor, list_ways
from domain.campaign.rules import Rules
from domain.journey import machine
from domain.journey.protocol import Evaluated, Exited, Fact, LookedUp, Matched, Unreadable
from domain.journey.state import JourneyState

# In place of a step: the entry, the exits by events, and the goal.
ENTRY: Final = "entry"
EXIT: Final = "exit"
GOAL: Final = "goal"
_AGAIN, _DONE = "again", "done"


class FlowWay(Struct, frozen=True, order=True):
    """A way on from a step. Its name is empty if it is the only one."""

    step: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.step}: {self.name}" if self.name else self.step


def list_all_ways(plan: Plan, rules: Rules) -> list[FlowWay]:
    """Return all ways of a campaign, those of its steps in the order of the document."""
    steps = [FlowWay(id, name) for id, node in plan.nodes.items() for name in _name_ways(node)]
    exits = [FlowWay(EXIT, rule.trigger.label) for rule in rules.exits]
    goals = [] if rules.goal is None else [FlowWay(GOAL, rules.goal.trigger.label)]
    return list(dict.fromkeys([FlowWay(ENTRY), *steps, *exits, *goals]))


def find_ways(plan: Plan, before: JourneyState, fact: Fact, after: JourneyState) -> Iterator[FlowWay]:
    """Iterate over the ways that a fact has a journey take; none while it stays."""
    bodies = {one.id: one.body for step in plan.loops for one in plan.repetitions(step)}
    is_moved = after.step != before.step or after.visits != before.visits
    if is_moved and before.step is not None and not isinstance(fact, Matched | Exited):
        node = plan.node(before.step)
        if node.id not in bodies:
            yield FlowWay(node.id, _find_name(plan, node, before, fact, after))
    for id, body in bodies.items():
        if after.visits.get(body, 0) > before.visits.get(body, 0):
            yield FlowWay(id, _AGAIN)
        if id in before.loops and id not in after.loops and after.outcome is None:
            yield FlowWay(id, _DONE)


def _find_name(plan: Plan, node: Node, before: JourneyState, fact: Fact, after: JourneyState) -> str:
    """Return the name of the way from a node, which the journey has left."""
    names = _name_ways(node)
    if len(names) == 1:
        return names[0]
    match node:
        case WaitFor(subscriptions=subscriptions):
            found = machine.find_match(plan, before)
            return names[-1 if found is None else subscriptions.index(found)]
        case Send(fallback=fallback) if fallback is not None:
            return names[1 if after.step == fallback.wait else 0]
        case Until():
            name = _name_date(fact, before)
            return name if name in names else names[0]
        case _:
            # The way without an index is the last one.
            return names[-1 if not isinstance(fact, Evaluated) or fact.case is None else fact.case]


def _name_date(fact: Fact, before: JourneyState) -> str:
    """Return the name of the way by which a delay until a date is left."""
    match fact:
        case LookedUp(until=Unreadable()):
            return "unreadable"
        case LookedUp(until=None):
            return "past"
        case LookedUp(until=datetime() as until) if before.attempt == 1 and until < before.since:
            return "past"
        case _:
            return ""


def _name_ways(node: Node) -> list[str]:
    """Return the names of a node's ways. A delay that has no date is never past."""
    ways = list(list_ways(node))
    if isinstance(node, Until):
        ways = [(next, name) for next, name in ways if not name or next != node.next]
    return [name for _, name in ways]
