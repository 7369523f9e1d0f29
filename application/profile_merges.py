"""Merge locked profiles with all that is kept of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application import turns
from application.accounts import merge_memberships
from application.activity_states import merge_activity
from application.address_statements import lock_addresses
from application.computed_states import merge_states, read_values, recount_sequences
from application.profile_history import build_history
from application.statements import named_addresses
from domain.long_work import LongWork
from domain.people import profile_state
from domain.people.address_statements import AddressStatement
from domain.people.computed.changes import list_changes
from domain.people.computed.deployed import DeployedTraits
from domain.people.derived_events import ValueChange, value_changes
from domain.people.profile import Profile
from domain.people.profile_state import ProfileState, Refusal, Source, Statement
from domain.people.topics.deployed import DeployedTopics
from store import ad_audiences, merges, profiles
from store.database import Connection, PendingResult
from store.profile_changes import ProfileChange


@dataclass(frozen=True, slots=True)
class PeopleMerge:
    """The changes of people by merges, as history and as rules name them."""

    history: list[ProfileChange]
    refusals: list[Refusal]
    changes: list[tuple[UUID, ValueChange]]


async def lock_before_merge(
    connection: Connection,
    merged: Mapping[UUID, UUID],
    ids: Collection[UUID],
    said: Mapping[UUID, Sequence[Statement]],
    of_addresses: Sequence[AddressStatement],
) -> PendingResult[dict[UUID, Profile]]:
    """Lock the people of a merge with all others of the transaction.

    A merge locks journeys and messages. Profiles locked after these could deadlock with other batches, with the gate
    and with the claim of a message. Their addresses are locked as well.
    """
    involved = {*merged, *merged.values()}
    people = await profiles.lock(connection, involved.union(ids), with_said=involved)
    await lock_addresses(connection, named_addresses(said), of_addresses)
    return people


async def merge_people(
    connection: Connection,
    merged: Mapping[UUID, UUID],
    people: Mapping[UUID, Profile],
    sources: Mapping[UUID, Source],
    traits: DeployedTraits,
    watched: Collection[str],
    at: datetime,
    topics: DeployedTopics,
    *,
    is_reversible: bool = False,
) -> PeopleMerge:
    """Merge locked profiles into others; return the changes, and traits without room.

    `watched` are the computed traits whose changes are returned, as of the instant `at`; `topics` are those in force. A
    reversible merge keeps both profiles as they were.
    """
    targets = {target: sources[source] for source, target in sorted(merged.items())}
    before = await read_values(connection, targets, traits, watched, at)
    states, result = await turns.run(_merge_states(merged, people, sources, topics))
    by = {source: sources[source].id for source in merged}
    await merges.record(connection, merged, by, is_reversible=is_reversible)
    await merge_states(connection, merged, traits)
    await merge_activity(connection, merged)
    await merge_memberships(connection, merged)
    await ad_audiences.merge(connection, merged)
    await profiles.pour(connection, merged)
    await recount_sequences(connection, set(merged.values()), traits)
    await profiles.write(connection, states)
    after = await read_values(connection, targets, traits, watched, at)
    result.changes.extend(
        (id, change) for id in targets for change in list_changes(before[id], after[id], targets[id], traits)
    )
    return result


def _merge_states(
    merged: Mapping[UUID, UUID], people: Mapping[UUID, Profile], sources: Mapping[UUID, Source], topics: DeployedTopics
) -> LongWork[tuple[dict[UUID, ProfileState], PeopleMerge]]:
    states: dict[UUID, ProfileState] = {}
    result = PeopleMerge([], [], [])
    for id, target in sorted(merged.items()):
        state = states[target] if target in states else people[target].state()
        update = profile_state.merge(state, people[id].state(), sources[id])
        states[target] = update.state
        result.history.extend(build_history(target, update))
        result.refusals.extend(update.refusals)
        changes = value_changes(people[target].with_state(state), update.changes, topics)
        result.changes.extend((target, change) for change in changes)
        yield
    return states, result
