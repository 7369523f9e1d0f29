"""Which segments each event of a batch may change."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from domain.people.accounts import states_account
from domain.people.computed.traits import ComputedTraits
from domain.people.identity import Resolution
from domain.people.profile_state import Statement
from domain.people.segments.deployed import DeployedSegments
from domain.people.segments.inputs import ACCOUNT, CREATED, USER_ID, computed_input, inputs_of_statement
from domain.tracking.event import Event


def find_affected(
    happened: Iterable[tuple[UUID, Event]],
    segments: DeployedSegments,
    traits: ComputedTraits,
    said: Mapping[UUID, Sequence[Statement]],
    resolution: Resolution,
) -> dict[UUID, frozenset[int]]:
    """Return the segments that each event may change, by its id; none for others.

    New people, those with a new user id, and those of a merge are judged with their first event.
    """
    if not segments:
        return {}
    spoken = _group_by_event(said)
    merged = set(resolution.merged.values())
    seen: set[UUID] = set()
    affected: dict[UUID, frozenset[int]] = {}
    for profile_id, event in happened:
        inputs: set[str] = set(spoken.get(str(event.id), ()))
        if traits.hears(event):
            inputs.update(map(computed_input, traits.keys(event)))
        if states_account(event):
            inputs.add(ACCOUNT)
        is_first = profile_id not in seen
        seen.add(profile_id)
        if is_first and profile_id in resolution.created:
            inputs.add(CREATED)
        if is_first and (profile_id in resolution.claimed or resolution.created.get(profile_id) is not None):
            inputs.add(USER_ID)
        found = segments.all if is_first and profile_id in merged else segments.find_affected(inputs)
        if found:
            affected[event.id] = found
    return affected


def _group_by_event(said: Mapping[UUID, Sequence[Statement]]) -> dict[str, set[str]]:
    """Return the parts that the statements of each event may change."""
    spoken: dict[str, set[str]] = {}
    for statements in said.values():
        for one in statements:
            spoken.setdefault(one.source.id, set()).update(inputs_of_statement(one))
    return spoken
