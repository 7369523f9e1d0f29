"""Campaigns that lead into each other: one reports an event that lets its user into another, which leads back."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from domain.campaign.rules import Rules
from domain.campaign.steps.emit_event import MAX_CHAIN

# More than anybody reads. Campaigns that all report and enter by one event have as many cycles as orders.
MAX_CYCLES = 20

# By campaign, those that it leads into, each with the event.
_Ways = dict[str, dict[str, str]]


class Cycle(NamedTuple):
    """A way from a campaign to itself. Each of the events leads from the campaign at its place to the next one."""

    campaigns: tuple[str, ...]
    events: tuple[str, ...]

    def __str__(self) -> str:
        events = ", ".join(f"`{event}`" for event in dict.fromkeys(self.events))
        return f"{' → '.join([*self.campaigns, self.campaigns[0]])} by {events}"


def find_cycles(key: str, campaigns: Mapping[str, Rules]) -> list[Cycle]:
    """The cycles that a campaign is on, each once, the shortest first; at most MAX_CYCLES.

    A campaign that lets no user in twice is on none.
    """
    ways = _ways(campaigns)
    found: list[Cycle] = []
    for path in _paths([key], ways):
        events = [ways[one][other] for one, other in zip(path, [*path[1:], key], strict=True)]
        found.append(Cycle(tuple(path), tuple(events)))
        if len(found) == MAX_CYCLES:
            break
    return sorted(found, key=lambda cycle: (len(cycle.campaigns), cycle))


def _ways(campaigns: Mapping[str, Rules]) -> _Ways:
    entered_by: dict[str, list[str]] = {}
    for key, rules in campaigns.items():
        if rules.entry.event is None:
            continue
        if rules.entry.reentry != "never" or rules.entry.key is not None:
            entered_by.setdefault(rules.entry.event, []).append(key)
    return {
        key: {
            entered: event
            for action in rules.actions.values()
            if (event := action.emits) is not None
            for entered in sorted(entered_by.get(event, ()))
        }
        for key, rules in campaigns.items()
    }


def _paths(path: list[str], ways: _Ways) -> Iterator[list[str]]:
    """The paths that go on from this one and lead back to its first campaign."""
    if path[0] in ways[path[-1]]:
        yield path
    if len(path) == MAX_CHAIN:
        return
    for following in ways[path[-1]]:
        # Only where a way back is left, so that no time goes into paths that lead nowhere.
        if following not in path and _leads_back(following, path, ways):
            yield from _paths([*path, following], ways)


def _leads_back(start: str, path: list[str], ways: _Ways) -> bool:
    seen = {start}
    ahead = [start]
    while ahead:
        if path[0] in (following := ways[ahead.pop()]):
            return True
        new = set(following) - seen - set(path)
        seen |= new
        ahead += new
    return False
