"""Cycles of campaigns: each causes an event that starts the next one."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from domain.campaign.rules import Rules
from domain.tracking.chain import MAX_CHAIN
from domain.tracking.event import Trigger

# Enough to read. Campaigns that all report and enter by one event have as many cycles as orders.
MAX_CYCLES = 20

# By campaign: the campaigns that it starts, each with the event's trigger.
_Edges = dict[str, dict[str, Trigger]]


class Cycle(NamedTuple):
    """Campaigns in a circle. Each event leads from its campaign to the next one."""

    campaigns: tuple[str, ...]
    events: tuple[Trigger, ...]

    def __str__(self) -> str:
        events = ", ".join(f"`{event.label}`" for event in dict.fromkeys(self.events))
        return f"{' → '.join([*self.campaigns, self.campaigns[0]])} by {events}"


def find_cycles(key: str, campaigns: Mapping[str, Rules]) -> list[Cycle]:
    """Find the cycles of a campaign, the shortest first; at most MAX_CYCLES."""
    edges = _find_edges(campaigns)
    found: list[Cycle] = []
    for path in _paths([key], edges):
        events = [edges[one][other] for one, other in zip(path, [*path[1:], key], strict=True)]
        found.append(Cycle(tuple(path), tuple(events)))
        if len(found) == MAX_CYCLES:
            break
    return sorted(found, key=lambda cycle: (len(cycle.campaigns), cycle))


def _find_edges(campaigns: Mapping[str, Rules]) -> _Edges:
    entered_by: dict[Trigger, list[str]] = {}
    for key, rules in campaigns.items():
        trigger = rules.entry.trigger
        if trigger is not None and (rules.entry.reentry != "never" or rules.entry.key is not None):
            # No step causes what a rule for any name means: pages, screens, groups and consents.
            entered_by.setdefault(trigger, []).append(key)
    return {
        key: {
            entered: event
            for action in rules.actions.values()
            for event in action.causes
            for entered in sorted(entered_by.get(event, ()))
        }
        for key, rules in campaigns.items()
    }


def _paths(path: list[str], edges: _Edges) -> Iterator[list[str]]:
    """Extend a path to every one that leads back to its first campaign."""
    if path[0] in edges[path[-1]]:
        yield path
    if len(path) == MAX_CHAIN:
        return
    for following in edges[path[-1]]:
        # Follow only campaigns from which the first can still be reached.
        if following not in path and _leads_back(following, path, edges):
            yield from _paths([*path, following], edges)


def _leads_back(start: str, path: list[str], edges: _Edges) -> bool:
    seen = {start}
    ahead = [start]
    while ahead:
        if path[0] in (following := edges[ahead.pop()]):
            return True
        new = set(following) - seen - set(path)
        seen |= new
        ahead += new
    return False
