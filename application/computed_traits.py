"""The definitions of computed traits: applied, and counted over the history."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from msgspec import Struct, convert, to_builtins

from application.computed_states import recount
from application.references import describe_readers, find_trait_readers
from application.segments import request_judgement
from domain.access import Actor
from domain.errors import ConflictError
from domain.people.computed.definition import TraitDefinition, TraitRule, is_authored
from domain.people.computed_document import NamedTrait
from domain.tracking.event import SOJOURN_SOURCE
from store import campaigns, computed_traits, operations, profile_states, profiles, segments
from store.computed_traits import StoredTrait
from store.database import Connection
from store.operations import Operation, Page

# People of one transaction. Their events wait meanwhile.
PAGE = 100
# The cursor after the last person. The people that a merge left partial come after it.
_EVERYONE: Final = UUID(int=2**128 - 1)


class BackfillParameters(Struct, frozen=True):
    """The ids of the definitions."""

    traits: list[int]


async def apply_traits(connection: Connection, traits: Sequence[NamedTrait], by: Actor) -> None:
    """Put definitions in force; the caller holds the registry's exclusive lock.

    The same rule under the same key goes on. An operation counts earlier events; it is requested again for definitions
    whose operation was cancelled. Raises ConflictError if a campaign or a segment reads a trait that would be removed,
    or have another type.
    """
    stored = [one for one in await computed_traits.load(connection) if is_authored(one.definition.key)]
    wanted = {trait.key: trait.rule for trait in traits}
    await _require_unread(connection, stored, wanted)
    await replace_traits(connection, stored, wanted, by)


async def replace_traits(
    connection: Connection, stored: Sequence[StoredTrait], wanted: Mapping[str, TraitRule], by: Actor
) -> None:
    """Replace the stored definitions of a document by the wanted ones.

    The caller holds the registry's exclusive lock.
    """
    kept = {one.definition.key: one for one in stored if wanted.get(one.definition.key) == one.definition.rule}
    if gone := [one.definition.id for one in stored if one.definition.key not in kept]:
        await computed_traits.retire(connection, gone)
    building = [one.definition.id for one in kept.values() if one.ready_at is None]
    if building:
        counted = await find_counted(connection)
        building = [id for id in building if id not in counted]
    building += await computed_traits.add(connection, {key: rule for key, rule in wanted.items() if key not in kept})
    if building:
        await operations.insert_for_deployment(connection, "backfill", {"traits": building}, requested_by=by.name)


async def find_counted(connection: Connection) -> set[int]:
    """Return the traits whose earlier events an open operation counts."""
    return {
        id
        for operation in await operations.list_open(connection, "backfill")
        for id in convert(operation.parameters, BackfillParameters).traits
    }


async def _require_unread(
    connection: Connection, stored: Sequence[StoredTrait], wanted: Mapping[str, TraitRule]
) -> None:
    broken = [
        one.definition.key
        for one in stored
        if (rule := wanted.get(one.definition.key)) is None or rule.type != one.definition.rule.type
    ]
    readers = await find_trait_readers(connection, broken) if broken else {}
    if readers:
        raise ConflictError(
            f"{describe_readers(readers)}: keep it, with the same type. To remove it, first apply versions that do "
            "not read it and end the journeys of the others, or stop the campaign; for another type, take another key",
            read_by=to_builtins(readers),
        )


async def describe_traits(connection: Connection) -> Mapping[str, Mapping[str, Any]]:
    """Return when each trait began to count, and when earlier events were counted."""
    return {
        one.definition.key: {"active_from": one.active_from, "ready_at": one.ready_at}
        for one in await computed_traits.load(connection)
    }


class BackfillHandler:
    """Counts earlier events for new definitions, person by person.

    Segments that read the traits are judged afterwards.

    A page replaces each person's state by that of their whole history, so a repeated page counts nothing twice. People
    merged meanwhile are marked, and counted last under the exclusive lock of the registry; then the traits are ready.
    """

    async def total(self, connection: Connection, operation: Operation) -> int:
        """Count the people known by now."""
        return await profiles.count(connection)

    async def page(self, connection: Connection, operation: Operation) -> Page:
        """Count the histories of the next people."""
        is_end = operation.cursor == _EVERYONE
        if is_end:
            await campaigns.lock_registry_exclusive(connection)
        else:
            await campaigns.lock_registry_shared(connection)
        building = [one.definition for one in await computed_traits.load(connection) if one.ready_at is None]
        wanted = set(convert(operation.parameters, BackfillParameters).traits)
        definitions = [definition for definition in building if definition.id in wanted]
        if not definitions:
            return Page(operation.cursor, is_last=True)
        if is_end:
            return await _finish(connection, definitions, building)
        ids = await profiles.ids_after(connection, operation.cursor, PAGE)
        await _recount(connection, ids, definitions)
        return Page(ids[-1] if len(ids) == PAGE else _EVERYONE, done=len(ids))


async def _finish(
    connection: Connection, definitions: Sequence[TraitDefinition], building: Sequence[TraitDefinition]
) -> Page:
    """Compute the people of merges; without more of them the traits are ready."""
    partial = await profile_states.find_partial(connection, PAGE)
    await _recount(connection, partial, building, are_all=True)
    if len(partial) == PAGE:
        return Page(_EVERYONE)
    await computed_traits.mark_ready(connection, [definition.id for definition in definitions])
    await segments.renew_unready(connection)
    await request_judgement(connection, SOJOURN_SOURCE)
    return Page(_EVERYONE, is_last=True)


async def _recount(
    connection: Connection, ids: Sequence[UUID], definitions: Sequence[TraitDefinition], *, are_all: bool = False
) -> None:
    if ids:
        locked = await (await profiles.lock(connection, ids)).get()
        await recount(connection, locked.keys(), definitions, are_all=are_all)
