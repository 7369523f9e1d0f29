"""What becomes of the journeys under way when users are let in by another version, as far as their steps tell."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct

from domain.campaign.plan import Plan, followers
from domain.campaign.rules import Rules
from domain.journey.migration import obstacle, obstacle_for_all
from domain.journey.state import JourneyStatus

InFlightPolicy = Literal["keep", "migrate", "exit"]
Fate = Literal["stays", "migrates", "exits", "undecided"]
# Of a journey that has asked for something it shows only once that is answered where it rests next; and one that has
# not said yet where it is may be anywhere.
IS_ACTING: Final = "acting"
NOT_KNOWN: Final = "not_known"


class Group(Struct, frozen=True):
    """Journeys of a version at a step: what they do there, and whether Temporal has been told of their start."""

    version: int
    step: str | None
    status: JourneyStatus | None
    is_started: bool
    journeys: int


class Compiled(Struct, frozen=True):
    """What a version was compiled to."""

    plan: Plan
    rules: Rules


class Forecast(Struct, frozen=True):
    """Journeys of a version at a step, and what becomes of them. `reason` says why they stay, or why none can say."""

    version: int
    step: str | None
    journeys: int
    fate: Fate
    reason: str | None


def forecast(
    groups: Iterable[Group], versions: Mapping[int, Compiled], new: Compiled, policy: InFlightPolicy
) -> list[Forecast]:
    """What becomes of each on their `versions`. By version, then by step as one comes to it."""
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
    """The steps as one comes to them, each way to its end: the database does not keep the order of the nodes."""
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
    if (found := obstacle_for_all(old.rules, new.rules)) is not None:
        return "stays", found.reason
    if not group.is_started:
        return "migrates", None
    if group.step is None or group.status is None or group.step not in old.plan.nodes:
        return "undecided", NOT_KNOWN
    if group.status == IS_ACTING:
        return "undecided", IS_ACTING
    found = obstacle(old.plan, new.plan, group.step)
    return ("migrates", None) if found is None else ("stays", found.reason)
