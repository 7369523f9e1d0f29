"""Apply statements about people to locked profiles, and record the history."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace
from uuid_utils.compat import uuid7

from application import turns
from application.accounts import merge_memberships
from application.activity_states import merge_activity
from application.computed_states import merge_states, read_values, recount_sequences
from domain.channels.kinds import normalized_addresses
from domain.errors import NotFoundError, UnavailableError
from domain.long_work import LongWork
from domain.people import profile_state
from domain.people.computed.changes import list_changes
from domain.people.computed.deployed import DeployedTraits
from domain.people.consent import OPT_OUT, AddressRefusal
from domain.people.derived_events import ValueChange, value_changes
from domain.people.identity import Conflict, Identity, Known, PersonRef, Resolution, identities_of
from domain.people.profile_state import Folded, PartChange, ProfileState, Refusal, Source, Statement
from domain.people.registers import Registers, Stamp, is_set, stamp, unverified_stamp
from domain.people.statements import addresses_in, event_source, statements_of_traits
from domain.tracking.event import Event, Reject
from domain.tracking.rejects import ALL_RECORDED, RejectCollector, Unrecorded
from domain.tracking.traits import LeftOut, consent_path
from store import addresses, merges, profile_changes, profiles
from store.addresses import Address
from store.database import Connection, PendingResult
from store.profile_changes import ProfileChange
from store.profiles import Profile


class AddressStatement(Struct, frozen=True):
    """Why an address refuses OPT_OUT or SUPPRESSION; `profile_id` has the history."""

    profile_id: UUID
    address: Address
    kind: AddressRefusal
    value: str | None
    said: Stamp
    source: Source


class OptOut(Struct, frozen=True):
    """The use of an unsubscribe link, which binds the address and the profile.

    `address` is the message's, normalised; None on a channel without addresses.
    """

    channel: str
    address: str | None

    def statements(self, profile_id: UUID, source: Source) -> list[AddressStatement]:
        """Return the statements of the link about the address."""
        if self.address is None:
            return []
        said = stamp(source.at, source.id, source.label)
        return [
            AddressStatement(profile_id, (self.channel, self.address), OPT_OUT, "unsubscribed by link", said, source)
        ]


@dataclass(frozen=True, slots=True)
class PeopleAsked:
    """People whose locks are requested, with the statements about them."""

    said: Mapping[UUID, Sequence[Statement]]
    of_addresses: Sequence[AddressStatement]
    people: PendingResult[dict[UUID, Profile]]
    refused: PendingResult[dict[Address, dict[str, str | None]]] | None
    locked: PendingResult[dict[Address, Registers]] | None


@dataclass(frozen=True, slots=True)
class PeopleWritten:
    """The people before and after the statements, with the changes and the refusals."""

    before: Mapping[UUID, Profile]
    people: dict[UUID, Profile]
    folded: Mapping[UUID, Folded]
    history: list[ProfileChange]
    refusals: list[Refusal]

    def changes(self) -> Iterator[tuple[UUID, ValueChange]]:
        """Iterate over the changes of people as rules name them."""
        for id, one in self.folded.items():
            person = self.before[id]
            for change in value_changes(person.consent_given, person.suppressed, one.changes):
                yield id, change


@dataclass(frozen=True, slots=True)
class PeopleMerged:
    """The changes of people by merges, as history and as rules name them."""

    history: list[ProfileChange]
    refusals: list[Refusal]
    changes: list[tuple[UUID, ValueChange]]


async def ask_for_people(
    connection: Connection,
    ids: Collection[UUID],
    said: Mapping[UUID, Sequence[Statement]],
    of_addresses: Sequence[AddressStatement] = (),
    *,
    with_consent: bool = True,
) -> PeopleAsked:
    """Lock people, then the addresses of statements; `with_consent` reads refusals."""
    people = await profiles.lock(connection, ids, with_said=said.keys())
    named = _identities_by_name(said)
    locked = await _lock_addresses(connection, named, of_addresses)
    refused = await addresses.find_refused(connection, ids, named) if with_consent else None
    return PeopleAsked(said, of_addresses, people, refused, locked)


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
    await _lock_addresses(connection, _identities_by_name(said), of_addresses)
    return people


async def read_people(connection: Connection, ids: Collection[UUID]) -> dict[UUID, Profile]:
    """Read people with the refusals of their addresses, without locks."""
    people = await profiles.read(connection, ids)
    refused = await (await addresses.find_refused(connection, people, ())).get()
    return {id: _with_refused(person, refused) for id, person in people.items()}


def _identities_by_name(said: Mapping[UUID, Sequence[Statement]]) -> set[Address]:
    return {address for statements in said.values() for address in addresses_in(statements)}


async def _lock_addresses(
    connection: Connection, named: Collection[Address], of_addresses: Sequence[AddressStatement]
) -> PendingResult[dict[Address, Registers]] | None:
    refusing = {one.address for one in of_addresses}
    if named or refusing:
        await addresses.ensure(connection, refusing.union(named))
    return await addresses.lock(connection, refusing) if refusing else None


async def write_people(connection: Connection, asked: PeopleAsked) -> PeopleWritten:
    """Apply statements, a person at a time. The caller records the history."""
    people = await asked.people.get()
    refused = await asked.refused.get() if asked.refused else {}
    folded = await turns.run(_fold_statements(people, asked.said))
    if changed := {id: one.state for id, one in folded.items() if one.is_changed}:
        await profiles.write(connection, changed)
    history = [change for id, one in folded.items() for change in build_history(id, one)]
    if asked.locked is not None:
        history += await _write_addresses(connection, await asked.locked.get(), asked.of_addresses, refused)
    known = {
        id: _with_refused(person.with_state(folded[id].state) if id in folded else person, refused)
        for id, person in people.items()
    }
    refusals = [refusal for one in folded.values() for refusal in one.refusals]
    return PeopleWritten(people, known, folded, history, refusals)


def _fold_statements(
    people: Mapping[UUID, Profile], said: Mapping[UUID, Sequence[Statement]]
) -> LongWork[dict[UUID, Folded]]:
    folded: dict[UUID, Folded] = {}
    for id, statements in sorted(said.items()):
        if id in people:
            folded[id] = profile_state.fold(people[id].state(), statements)
            yield
    return folded


async def _write_addresses(
    connection: Connection,
    known: Mapping[Address, Registers],
    said: Iterable[AddressStatement],
    refused: dict[Address, dict[str, str | None]],
) -> list[ProfileChange]:
    history = []
    for one in said:
        registers = known[one.address]
        before = registers.values.get(one.kind)
        if not registers.yields_to(one.kind, one.value, one.said, is_set):
            continue
        registers.put(one.kind, one.value, one.said)
        refused[one.address] = registers.values
        if before != one.value:
            _, value = one.address
            changes = {value: {"before": {one.kind: before}, "after": {one.kind: one.value}}}
            history.append(_change(one.profile_id, "addresses", changes, one.source))
    await addresses.write(connection, known)
    return history


def _with_refused(person: Profile, refused: Mapping[Address, dict[str, str | None]]) -> Profile:
    own = {
        channel: refused[channel, value]
        for channel, value in normalized_addresses(person.traits).items()
        if (channel, value) in refused
    }
    return replace(person, refused_addresses=own) if own else person


def build_history(profile_id: UUID, folded: Folded) -> list[ProfileChange]:
    """Build the history, with a row for each part and source."""
    grouped: dict[tuple[str, Source], dict[str, Any]] = {}
    for change in folded.changes:
        grouped.setdefault((change.part, change.source), {})[change.name] = _before_and_after(change)
    return [_change(profile_id, part, changes, source) for (part, source), changes in grouped.items()]


def _before_and_after(change: PartChange) -> dict[str, Any]:
    return {"before": change.before, "after": change.after}


def _change(profile_id: UUID, part: str, changes: dict[str, Any], source: Source) -> ProfileChange:
    return ProfileChange(uuid7(), profile_id, part, changes, source.kind, source.id, source.name, source.at)


def build_identity_change(profile_id: UUID, what: str, other: UUID, source: Source) -> ProfileChange:
    """Build the history of an operator's merge of a profile, or of its undo."""
    return _change(profile_id, "identity", {what: [other]}, source)


async def set_traits(
    connection: Connection,
    profile_id: UUID,
    traits: Mapping[str, Any],
    source: Source,
    unverified: Collection[str] = (),
) -> PeopleWritten:
    """Set traits of a locked profile, and record it.

    A verified value stays against one of `unverified`.
    """
    said = stamp(source.at, source.id, source.label)
    verified = {name: value for name, value in traits.items() if name not in unverified}
    others = {name: value for name, value in traits.items() if name in unverified}
    statements = statements_of_traits(verified, said, source)
    return await _state(
        connection, profile_id, statements + statements_of_traits(others, unverified_stamp(said), source)
    )


async def set_stage(connection: Connection, profile_id: UUID, stage: str, source: Source) -> PeopleWritten:
    """Set the stage of a locked profile and record it, unless a later one was set."""
    said = stamp(source.at, source.id, source.label)
    return await _state(connection, profile_id, [Statement("stage", profile_state.STAGE, stage, said, source)])


async def _state(connection: Connection, profile_id: UUID, statements: Sequence[Statement]) -> PeopleWritten:
    async with connection.pipeline():
        asked = await ask_for_people(connection, [profile_id], {profile_id: statements}, with_consent=False)
        written = await write_people(connection, asked)
        if written.history:
            await profile_changes.insert(connection, written.history)
    return written


async def lock_person(connection: Connection, person: PersonRef) -> Profile:
    """Lock a person's profile, for new values.

    Raises NotFoundError, or UnavailableError during a merge.
    """
    profile_id = await profiles.find(connection, person)
    if profile_id is None:
        raise unknown_person(person)
    locked = await (await profiles.lock(connection, [profile_id], with_said=[profile_id])).get()
    if profile_id not in locked:
        raise UnavailableError(f"{person} is being merged into another profile; try again", retry_after=1)
    return locked[profile_id]


def unknown_person(person: PersonRef) -> NotFoundError:
    """Return the refusal of an id that no call has named."""
    return NotFoundError(f"nothing was ever reported of {person}", user_id=person.id)


async def merge_people(
    connection: Connection,
    merged: Mapping[UUID, UUID],
    people: Mapping[UUID, Profile],
    sources: Mapping[UUID, Source],
    traits: DeployedTraits,
    watched: Collection[str],
    at: datetime,
    *,
    is_reversible: bool = False,
) -> PeopleMerged:
    """Merge locked profiles into others; return the changes, and traits without room.

    `watched` are the computed traits whose changes are returned, as of the instant `at`. A reversible merge keeps both
    profiles as they were.
    """
    targets = {target: sources[source] for source, target in sorted(merged.items())}
    before = await read_values(connection, targets, traits, watched, at)
    states, result = await turns.run(_merge_states(merged, people, sources))
    by = {source: sources[source].id for source in merged}
    await merges.record(connection, merged, by, is_reversible=is_reversible)
    await merge_states(connection, merged, traits)
    await merge_activity(connection, merged)
    await merge_memberships(connection, merged)
    await profiles.pour(connection, merged)
    await recount_sequences(connection, set(merged.values()), traits)
    await profiles.write(connection, states)
    after = await read_values(connection, targets, traits, watched, at)
    result.changes.extend(
        (id, change) for id in targets for change in list_changes(before[id], after[id], targets[id], traits)
    )
    return result


def _merge_states(
    merged: Mapping[UUID, UUID], people: Mapping[UUID, Profile], sources: Mapping[UUID, Source]
) -> LongWork[tuple[dict[UUID, ProfileState], PeopleMerged]]:
    states: dict[UUID, ProfileState] = {}
    result = PeopleMerged([], [], [])
    for id, target in sorted(merged.items()):
        state = states[target] if target in states else people[target].state()
        folded = profile_state.merge(state, people[id].state(), sources[id])
        states[target] = folded.state
        result.history.extend(build_history(target, folded))
        result.refusals.extend(folded.refusals)
        changes = value_changes(state.consent.values, state.suppressed.values, folded.changes)
        result.changes.extend((target, change) for change in changes)
        yield
    return states, result


def identity_sources(events: Iterable[Event]) -> dict[Identity, Source]:
    """Return the first event that names each identity."""
    sources: dict[Identity, Source] = {}
    for event in events:
        for identity in identities_of([event]):
            sources.setdefault(identity, event_source(event))
    return sources


def merge_sources(
    resolution: Resolution, known: Mapping[Identity, Known], sources: Mapping[Identity, Source]
) -> dict[UUID, Source]:
    """Return the event that merges each profile into another."""
    return {
        entry.profile_id: replace(sources[identity], kind="merge")
        for identity, entry in sorted(known.items())
        if entry.profile_id in resolution.merged and identity in sources
    }


def identity_changes(
    resolution: Resolution, sources: Mapping[Identity, Source], merges: Mapping[UUID, Source]
) -> list[ProfileChange]:
    """Return the changes of identities in a batch: links, and merged profiles."""
    grouped: dict[tuple[UUID, Source], dict[str, list[Any]]] = {}
    for identity, profile_id in resolution.linked.items():
        changes = grouped.setdefault((profile_id, sources[identity]), {})
        changes.setdefault("linked", []).append({"kind": identity.kind, "value": identity.value})
    for merged, profile_id in resolution.merged.items():
        grouped.setdefault((profile_id, merges[merged]), {}).setdefault("merged", []).append(merged)
    return [_change(profile_id, "identity", changes, source) for (profile_id, source), changes in grouped.items()]


def list_left_out(
    refusals: Sequence[Refusal], conflicts: Sequence[Conflict], batch: Sequence[Event], places: Sequence[int]
) -> tuple[list[Reject], Unrecorded]:
    """Return refused statements and ids as parts left out of events at `places`."""
    if not (refusals or conflicts):
        return [], ALL_RECORDED
    parts: dict[str, list[LeftOut]] = {}
    for refusal in refusals:
        parts.setdefault(refusal.statement.source.id, []).append(_part(refusal))
    for conflict in conflicts:
        parts.setdefault(str(conflict.event_id), []).append(LeftOut(conflict.part, conflict.reason, conflict.value))
    collector = RejectCollector(batch[0].source)
    for event, place in zip(batch, places, strict=True):
        if of_event := parts.get(str(event.id)):
            collector.leave_out(place, event, of_event)
    return collector.finish()


def _part(refusal: Refusal) -> LeftOut:
    said = refusal.statement
    match said.part:
        case "consent":
            path = consent_path(said.name)
        case "claims":
            path = said.name
        case _:
            path = f"traits.{said.name}"
    return LeftOut(path, refusal.reason, said.value)
