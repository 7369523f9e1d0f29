"""Migration of a journey to another version, at the step of the same id.

A journey moves only while it rests, since a request is answered by the version that made it. Then

- the new plan has the step, of the same kind and within the same repetitions, whose rounds continue to count;
- a rest ends when it was to end; one until a local time or a date is looked up again when it ends;
- received events still count if their subscription is the same in both versions;
- visits of removed steps are kept as history;
- the end of the schedule is that of the new plan.

No journey moves to a version with another entry key, or from accounts to people or back.
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
from domain.journey.moves import end_by_schedule, is_at_rest, note
from domain.journey.state import JourneyState

# Reasons why a journey stays on its version.
STEP_REMOVED = "step_removed"
KIND_CHANGED = "kind_changed"
REPETITION_CHANGED = "repetition_changed"
ENTRY_KEY_CHANGED = "entry_key_changed"
ENTRY_ACCOUNT_CHANGED = "entry_account_changed"
VERSION_CHANGED = "version_changed"
SUPERSEDED = "superseded"


class Migration(Struct, frozen=True, kw_only=True):
    """A request to migrate. `shared_subscriptions` are the same in both versions."""

    from_version: int
    to_version: int
    plan: Plan
    shared_subscriptions: tuple[str, ...]
    operation: UUID


class CannotMigrate(Struct, frozen=True):
    """Why a journey stays on its version: a code, a sentence, and the step, if any."""

    reason: str
    text: str
    step: str | None = None


# Results of a migration, apart from a refusal.
MigrationOutcome = Literal["moved", "ended"]
MOVED: Final = "moved"
ENDED: Final = "ended"


def find_shared_subscriptions(old: Rules, new: Rules) -> tuple[str, ...]:
    """Return the subscriptions with the same event and condition in both versions.

    An id consists of the step and an index in its list: after a reordering it names another event.
    """
    return tuple(sorted(id for id, rule in new.subscriptions.items() if old.subscriptions.get(id) == rule))


def find_common_obstacle(old: Rules, new: Rules) -> CannotMigrate | None:
    """Return what keeps every journey of a version from moving; None if some can.

    A journey has the key that its version computed. Exits without a condition compare it with the key of their event:
    under another expression they would not find the journeys to end.
    """
    if old.entry.account != new.entry.account:
        return CannotMigrate(
            ENTRY_ACCOUNT_CHANGED, f"its journeys are those of {'accounts' if new.entry.account else 'people'} now"
        )
    if old.entry.key == new.entry.key:
        return None
    return CannotMigrate(
        ENTRY_KEY_CHANGED, f"entry.key is {new.entry.key or 'gone'} now and was {old.entry.key or 'none'}"
    )


def find_obstacle(old: Plan, new: Plan, step: str) -> CannotMigrate | None:
    """Return what keeps journeys that rest at a step from moving; None if they can.

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
    """Whether the journey rests, without a match of what it waits for."""
    return state.outcome is None and is_at_rest(plan, state) and machine.find_match(plan, state) is None


def migrate_state(
    old: Plan, new: Plan, state: JourneyState, alike: Collection[str], at: datetime, versions: tuple[int, int]
) -> JourneyState | CannotMigrate:
    """Return the state of a movable journey under the new plan.

    `versions` are the numbers of both, for the history. An identical plan changes nothing but the history.
    """
    if state.step is None or not is_movable(old, state):
        raise ValueError("a journey is moved only while it rests")
    if (kept_by := find_obstacle(old, new, state.step)) is not None:
        return kept_by
    moved = replace(state, matches={id: match for id, match in state.matches.items() if id in alike})
    return end_by_schedule(new, note(moved, at, f"moved from version {versions[0]} to {versions[1]}"), at)


def _kind(node: Node) -> str:
    """Return the kind of a node, which is its tag."""
    return str(node.__struct_config__.tag)


def _around(plan: Plan, step: str) -> list[str]:
    return [node.id for node in plan.repetitions(step)]
