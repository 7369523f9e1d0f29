"""The computed traits of people: counted from events, from histories, and merged."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from application import turns
from domain.long_work import LongWork
from domain.people.computed.definition import TraitDefinition
from domain.people.computed.deployed import DeployedTraits
from domain.people.computed.history import HistoryCount, list_event_names
from domain.people.computed.state_merges import merge_rows
from domain.people.computed.state_row import EMPTY, StateRow
from domain.people.computed.traits import ComputedTraits
from domain.people.profile import Profile
from domain.people.profile_updates import with_computed
from domain.people.segments.deployed import DeployedSegments
from domain.people.segments.units import find_earliest
from domain.tracking.stored_event import StoredEvent
from store import events, profile_states, profiles, segments
from store.database import Connection


async def recount(
    connection: Connection,
    profile_ids: Collection[UUID],
    definitions: Sequence[TraitDefinition],
    *,
    are_all: bool = False,
    look_at: datetime | None = None,
) -> None:
    """Replace the state of these traits by that of the people's whole history.

    The caller has locked the registry and the people, so that each of their events is either committed and counted
    here, or counted after this transaction. Repeating it changes nothing. With `are_all`, no other definition lacks
    earlier events, and the state is no longer partial. The sweeper looks at the people at `look_at` at the latest.
    """
    traits = ComputedTraits(definitions)
    counts = {id: HistoryCount(traits) for id in profile_ids}
    async for page in pages_of_history(connection, profile_ids, list_event_names(definitions)):
        await turns.run(_count(counts, page))
    known = await (await profile_states.read(connection, profile_ids)).get()
    replaced = {str(definition.id) for definition in definitions}
    changed: dict[UUID, StateRow] = {}
    for id, count in counts.items():
        before = known.get(id, EMPTY)
        kept = {trait: one for trait, one in before.state.items() if trait not in replaced}
        state = {**kept, **count.finish()}
        next_at = find_earliest(before.next_at, look_at if state or before.segments else None)
        after = replace(before, state=state, next_at=next_at, is_partial=before.is_partial and not are_all)
        if after != before:
            changed[id] = after
    if emptied := [id for id, row in changed.items() if row == EMPTY]:
        await profile_states.delete(connection, emptied)
    if filled := {id: row for id, row in changed.items() if row != EMPTY}:
        await profile_states.write(connection, filled)


async def merge_states(connection: Connection, merged: Mapping[UUID, UUID], traits: DeployedTraits) -> None:
    """Merge the states of locked people into those who stay.

    While a trait is being computed over the history, one of two may have been reached and the other not: the merged
    person is computed anew.
    """
    known = await (await profile_states.read(connection, {*merged, *merged.values()})).get()
    rows: dict[UUID, StateRow] = {}
    for source, target in sorted(merged.items()):
        mine, theirs = known.get(source, EMPTY), rows.get(target, known.get(target, EMPTY))
        rows[target] = merge_rows(theirs, mine, traits)
    await profile_states.delete(connection, merged.keys())
    if filled := {id: row for id, row in rows.items() if row != StateRow(judged=row.judged)}:
        await profile_states.write(connection, filled)
    if any(row.segments for row in rows.values()):
        await segments.restate_members(connection, {*merged, *rows})


async def recount_sequences(connection: Connection, profile_ids: Collection[UUID], traits: DeployedTraits) -> None:
    """Compute the sequences of merged people, which no two states tell."""
    if sequences := [one for one in traits.definitions if one.rule.function == "sequence"]:
        await recount(connection, profile_ids, sequences)


async def read_computed(
    connection: Connection, deployed: DeployedSegments, people: Mapping[UUID, Profile], at: datetime
) -> dict[UUID, Profile]:
    """Return locked people with their segments and areas, and their computed traits."""
    if not (deployed.traits.definitions or deployed or deployed.places.areas or deployed.topics.is_in_force):
        return dict(people)
    known = await (await profile_states.read(connection, people.keys())).get()
    rows = {id: known.get(id, EMPTY) for id in people}
    return {
        id: with_computed(replace(person, counted=rows[id].state, memberships=rows[id].segments), deployed, at)
        for id, person in people.items()
    }


async def read_values(
    connection: Connection, profile_ids: Collection[UUID], traits: DeployedTraits, keys: Collection[str], at: datetime
) -> dict[UUID, dict[str, Any]]:
    """Return the values of some computed traits that are ready, at an instant."""
    if traits.ready.types.keys().isdisjoint(keys):
        return {id: {} for id in profile_ids}
    known = await (await profile_states.read(connection, profile_ids)).get()
    return {id: traits.read(known.get(id, EMPTY).state, at, keys) for id in profile_ids}


async def pages_of_history(
    connection: Connection, profile_ids: Collection[UUID], names: Sequence[str] | None
) -> AsyncIterator[list[StoredEvent]]:
    """Iterate over the events of people by person, with some names or all."""
    since = await profiles.find_first_arrival(connection, profile_ids)
    if since is None:
        return
    after: events.HistoryPlace | None = None
    while True:
        page = await events.history_page(connection, profile_ids, names, since, after)
        yield page.events
        if (after := page.next) is None:
            return


def _count(counts: Mapping[UUID, HistoryCount], page: Sequence[StoredEvent]) -> LongWork[None]:
    for stored in page:
        counts[stored.profile_id].add(stored.event)
        yield
