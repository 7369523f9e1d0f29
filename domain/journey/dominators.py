"""Dominators of the steps of a plan: the steps that every path to a step passes."""

from domain.campaign.plan import Exit, Plan, followers
from domain.journey.state import COMPLETED

# The end of the flow.
END = None


def find_dominators(plan: Plan) -> dict[str | None, frozenset[str]]:
    """Return the dominators of each reachable step, itself included.

    END is the end of the flow. The sets are narrowed down until nothing changes.
    """
    ways: dict[str | None, list[str]] = {}
    found: dict[str | None, frozenset[str] | None] = {}
    waiting = [plan.start]
    while waiting:
        step = waiting.pop()
        if step in found:
            continue
        found[step] = None
        for following in [] if step is END else followers(plan.node(step)):
            ways.setdefault(following, []).append(str(step))
            waiting.append(following)
    found[plan.start] = _with(plan.start, frozenset())
    is_changed = True
    while is_changed:
        is_changed = False
        for step in found:
            known = [passed for way in ways.get(step, ()) if (passed := found[way]) is not None]
            if step != plan.start and known:
                narrowed = _with(step, frozenset.intersection(*known))
                is_changed = is_changed or narrowed != found[step]
                found[step] = narrowed
    return {step: passed for step, passed in found.items() if passed is not None}


def find_outcome_dominators(plan: Plan, outcome: str, dominators: dict[str | None, frozenset[str]]) -> frozenset[str]:
    """Return the steps passed by every journey that ended by itself with this outcome."""
    ends: list[str | None] = [
        node.id for node in plan.nodes.values() if isinstance(node, Exit) and node.outcome == outcome
    ]
    if outcome == COMPLETED:
        ends.append(END)
    known = [dominators[end] for end in ends if end in dominators]
    return frozenset.intersection(*known) if known else frozenset()


def _with(step: str | None, passed: frozenset[str]) -> frozenset[str]:
    return passed if step is None else passed | {step}
