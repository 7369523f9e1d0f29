"""Forecast of a new version: which journeys in flight stay, migrate or exit."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct

from domain.campaign.plan import Plan, followers
from domain.campaign.rules import Rules
from domain.journey.migration import find_common_obstacle, find_obstacle
from domain.journey.state import JourneyStatus

InFlightPolicy = Literal["keep", "migrate", "exit"]
Fate = Literal["stays", "migrates", "exits", "undecided"]
# The next rest of a journey that acts is known only after its answer. A journey without a position may be anywhere.
IS_ACTING: Final = "acting"
NOT_KNOWN: Final = "not_known"


class Group(Struct, frozen=True):
    """Journeys of a version at a step, with their status; `is_started` in Temporal."""

    version: int
    step: str | None
    status: JourneyStatus | None
    is_started: bool
    journeys: int


class Compiled(Struct, frozen=True):
    """A compiled version."""

    plan: Plan
    rules: Rules


class Forecast(Struct, frozen=True):
    """Journeys at a step, and their fate; `reason` if they stay or are undecided."""

    version: int
    step: str | None
    journeys: int
    fate: Fate
    reason: str | None


def forecast(
    groups: Iterable[Group], versions: Mapping[int, Compiled], new: Compiled, policy: InFlightPolicy
) -> list[Forecast]:
    """Forecast the fate of each group, ordered by version and step."""
    counts: Counter[tuple[int, str | None, Fate, str | None]] = Counter()
    for group in groups:
        fate, reason = _fate(group, versions[group.version], new, policy)
        counts[group.version, group.step, fate, reason] += group.journeys
    places = {
        number: {step: place for place, step in enumerate(_in_order(one.plan))} for number, one in versions.items()
    }
    found = [Forecast(*named[:2], journeys, *named[2:]) for named, journeys in counts.items()]
    return sorted(found, key=lambda one: (one.version, places[one.version].get(one.step or "", -1), one.fate))


def _in_order(plan: Plan) -> list[str]:
    """Return the steps in the order of the flow, which the database does not keep."""
    found: dict[str, None] = {}
    waiting = [plan.start]
    while waiting:
        step = waiting.pop()
        if step is not None and step not in found:
            found[step] = None
            waiting += reversed(list(followers(plan.node(step))))
    return list(found)


def _fate(group: Group, old: Compiled, new: Compiled, policy: InFlightPolicy) -> tuple[Fate, str | None]:
    if policy == "keep":
        return "stays", None
    if policy == "exit":
        return "exits", None
    if (found := find_common_obstacle(old.rules, new.rules)) is not None:
        return "stays", found.reason
    if not group.is_started:
        return "migrates", None
    if group.step is None or group.status is None or group.step not in old.plan.nodes:
        return "undecided", NOT_KNOWN
    if group.status == IS_ACTING:
        return "undecided", IS_ACTING
    found = find_obstacle(old.plan, new.plan, group.step)
    return ("migrates", None) if found is None else ("stays", found.reason)
