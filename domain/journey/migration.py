"""What becomes of a journey when its campaign gets a new version: it goes on at the step of the same id, or stays.

A journey moves only while it rests: what it has asked for is answered by the version that it asked under. Then

- the step is there in the new plan, of the same kind, and within the same repetitions: rounds go on being counted;
- a rest that has begun ends when it was to end; one until a local time or a date is looked up anew on waking;
- events that were heard still count where their subscription is about the same event in both versions;
- visits of steps that are gone are kept: they tell what the journey has done;
- the end of the schedule is the new plan's.

No journey moves to a version that finds the journeys of its users by another key.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.campaign.plan import Node, Plan
from domain.campaign.rules import Rules
from domain.journey import machine
from domain.journey.moves import ended_by_schedule, is_at_rest, note
from domain.journey.state import JourneyState

# Why a journey stays on its version, as reports say it.
STEP_REMOVED = "step_removed"
KIND_CHANGED = "kind_changed"
REPETITION_CHANGED = "repetition_changed"
ENTRY_KEY_CHANGED = "entry_key_changed"
VERSION_CHANGED = "version_changed"
SUPERSEDED = "superseded"


class Migration(Struct, frozen=True, kw_only=True):
    """A journey is to go on under another version. `shared_subscriptions` mean the same in both."""

    from_version: int
    to_version: int
    plan: Plan
    shared_subscriptions: tuple[str, ...]
    operation: UUID


class CannotMigrate(Struct, frozen=True):
    """Why a journey stays on its version: a code, a sentence, and the step that it is about, if it is about one."""

    reason: str
    text: str
    step: str | None = None


# What became of a journey that was to move and did not stay.
MigrationOutcome = Literal["moved", "ended"]
MOVED: Final = "moved"
ENDED: Final = "ended"


def shared_subscriptions(old: Rules, new: Rules) -> tuple[str, ...]:
    """The ids of the subscriptions that are about the same event, on the same condition, in two versions.

    An id is made of the step and a place in its list: where the list was ordered anew, it is about another event.
    """
    return tuple(sorted(id for id, rule in new.subscriptions.items() if old.subscriptions.get(id) == rule))


def obstacle_for_all(old: Rules, new: Rules) -> CannotMigrate | None:
    """What keeps every journey of a version from moving; None if some can.

    A journey has the key that the expression of its version found. Exits without a condition hold that against the key
    of their event: by another expression they would not find the journeys that they are to end.
    """
    if old.entry.key == new.entry.key:
        return None
    return CannotMigrate(
        ENTRY_KEY_CHANGED, f"entry.key is {new.entry.key or 'gone'} now and was {old.entry.key or 'none'}"
    )


def obstacle(old: Plan, new: Plan, step: str) -> CannotMigrate | None:
    """What keeps journeys that rest at a step of the old plan from moving to the new one; None if they can.

    Raises KeyError for a step that the old plan does not have.
    """
    node, counterpart = old.node(step), new.nodes.get(step)
    if counterpart is None:
        return CannotMigrate(STEP_REMOVED, f"step {step} is gone", step)
    if type(node) is not type(counterpart):
        before, after = _kind(node), _kind(counterpart)
        return CannotMigrate(KIND_CHANGED, f"step {step} is `{after}` now and was `{before}`", step)
    if _around(old, step) != _around(new, step):
        return CannotMigrate(REPETITION_CHANGED, f"step {step} is within other repetitions now", step)
    return None


def is_movable(plan: Plan, state: JourneyState) -> bool:
    """Whether the journey rests, and has not heard yet what it waits for."""
    return state.outcome is None and is_at_rest(plan, state) and machine.find_match(plan, state) is None


def migrate_state(
    old: Plan, new: Plan, state: JourneyState, alike: Collection[str], at: datetime, versions: tuple[int, int]
) -> JourneyState | CannotMigrate:
    """The state of a journey under the new plan; `versions` are the numbers of both, for the history.

    The journey is movable. Under a plan that is the same it is as it was, but for the history.
    """
    if state.step is None or not is_movable(old, state):
        raise ValueError("a journey is moved only while it rests")
    if (kept_by := obstacle(old, new, state.step)) is not None:
        return kept_by
    moved = replace(state, matches={id: match for id, match in state.matches.items() if id in alike})
    return ended_by_schedule(new, note(moved, at, f"moved from version {versions[0]} to {versions[1]}"), at)


def _kind(node: Node) -> str:
    """The kind of a node, as its tag says it."""
    return str(node.__struct_config__.tag)


def _around(plan: Plan, step: str) -> list[str]:
    return [node.id for node in plan.repetitions(step)]
