"""Undo of a merge of two profiles: which values become whose.

The stamp of a value shows who said it: the merged profile before the merge, one of its events since, or another source.
The values of the merged profile leave the other one, which gets back those that would hold without them.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import get_args

from msgspec import Struct

from domain.people import profile_state
from domain.people.profile_state import Part, PartChange, ProfileState, Source, Statement
from domain.people.registers import Stamp

# A name of a part, with the stamp of its value.
StampedName = tuple[Part, str, Stamp]


class Separation(Struct, frozen=True):
    """Both profiles after the undo, and the changes of the one that stays."""

    source: ProfileState
    target: ProfileState
    changes: list[PartChange]


def sayings(state: ProfileState) -> set[StampedName]:
    """Return the stamps of a state, with the names that have them."""
    return {(part, name, said) for part in get_args(Part) for name, _, said in state.part(part).words()}


def separate(
    now: ProfileState,
    *,
    source: ProfileState,
    target: ProfileState,
    source_since: Sequence[Statement],
    target_since: Iterable[Statement],
    others: Iterable[ProfileState],
    undo: Source,
) -> Separation:
    """Undo a merge.

    `now` is the merged state; `source` and `target` are those before the merge, the statements those since, each in any
    order. `others` are profiles that were merged into the target since.
    """
    left = profile_state.fold(source, source_since).state
    foreign = sayings(source) | {(one.part, one.name, one.said) for one in source_since}
    kept = _without(now, foreign - sayings(target))
    for other in (target, *others):
        kept = profile_state.merge(kept, other, undo).state
    kept = profile_state.fold(kept, target_since).state
    return Separation(left, kept, profile_state.find_changes(now, kept, undo))


def _without(state: ProfileState, foreign: Collection[StampedName]) -> ProfileState:
    new = state.copy()
    for part, name, said in sayings(state):
        if (part, name, said) in foreign:
            new.part(part).drop(name)
    return new
