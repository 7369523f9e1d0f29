"""Apply statements about people to locked profiles."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from application import turns
from application.address_statements import lock_addresses, write_addresses
from application.held_journeys import wake_who_left
from application.profile_history import build_history
from domain.channels.kinds import normalized_addresses
from domain.people.address_statements import Address, AddressStatement, with_refused
from domain.people.derived_events import ValueChange
from domain.people.places.deployed import NO_PLACES, DeployedPlaces
from domain.people.profile import Profile
from domain.people.profile_state import ProfileState, Refusal, Statement, StateUpdate
from domain.people.profile_updates import fold_statements, list_changes, with_deployed
from domain.people.registers import Registers
from domain.people.statements import addresses_in
from domain.people.topics.deployed import NO_TOPICS, DeployedTopics
from domain.people.topics.requests import find_requests, refuse_excess
from store import addresses, profile_changes, profiles, subscription_requests
from store.database import Connection, PendingResult
from store.profile_changes import ProfileChange


@dataclass(frozen=True, slots=True)
class PendingStatements:
    """People whose locks are requested, with the statements about them.

    `places` are those at which a new location may arrive, and `topics` those in force.
    """

    said: Mapping[UUID, Sequence[Statement]]
    of_addresses: Sequence[AddressStatement]
    people: PendingResult[dict[UUID, Profile]]
    refused: PendingResult[dict[Address, dict[str, str | None]]] | None
    locked: PendingResult[dict[Address, Registers]] | None
    places: DeployedPlaces
    topics: DeployedTopics


@dataclass(frozen=True, slots=True)
class PeopleUpdate:
    """The people before and after the statements, with the changes and the refusals."""

    before: Mapping[UUID, Profile]
    people: dict[UUID, Profile]
    updates: Mapping[UUID, StateUpdate]
    history: list[ProfileChange]
    refusals: list[Refusal]
    places: DeployedPlaces
    topics: DeployedTopics

    def changes(self) -> Iterator[tuple[UUID, ValueChange]]:
        """Iterate over the changes of people as rules name them."""
        return list_changes(self.before, self.updates, self.places, self.topics)


async def ask_for_people(
    connection: Connection,
    ids: Collection[UUID],
    said: Mapping[UUID, Sequence[Statement]],
    of_addresses: Sequence[AddressStatement] = (),
    *,
    with_consent: bool = True,
    places: DeployedPlaces = NO_PLACES,
    topics: DeployedTopics = NO_TOPICS,
) -> PendingStatements:
    """Lock people, then the addresses of statements; `with_consent` reads refusals."""
    people = await profiles.lock(connection, ids, with_said=said.keys())
    named = named_addresses(said)
    locked = await lock_addresses(connection, named, of_addresses)
    refused = await addresses.find_refused(connection, ids, named) if with_consent else None
    return PendingStatements(said, of_addresses, people, refused, locked, places, topics)


async def write_people(connection: Connection, pending: PendingStatements) -> PeopleUpdate:
    """Apply statements, a person at a time. The caller records the history."""
    people = await pending.people.get()
    refused = await pending.refused.get() if pending.refused else {}
    excess = await _refuse_excess(connection, people, pending)
    updates = await turns.run(fold_statements(people, _without(pending.said, excess), pending.places))
    if changed := {id: one.state for id, one in updates.items() if one.is_changed}:
        await profiles.write(connection, changed)
        await _ensure_combined(connection, people, changed, named_addresses(pending.said), refused)
    history = [change for id, one in updates.items() for change in build_history(id, one)]
    if pending.locked is not None:
        history += await write_addresses(connection, await pending.locked.get(), pending.of_addresses, refused)
    known = {
        id: with_deployed(
            with_refused(person.with_state(updates[id].state) if id in updates else person, refused),
            pending.places,
            pending.topics,
        )
        for id, person in people.items()
    }
    await wake_who_left(connection, "area", _find_left(people, known, updates, pending.places))
    refusals = [*excess, *(refusal for one in updates.values() for refusal in one.refusals)]
    return PeopleUpdate(people, known, updates, history, refusals, pending.places, pending.topics)


def _find_left(
    before: Mapping[UUID, Profile],
    after: Mapping[UUID, Profile],
    updates: Mapping[UUID, StateUpdate],
    places: DeployedPlaces,
) -> dict[UUID, set[str]]:
    """Return the areas that people have left by new locations."""
    if not places.areas:
        return {}
    found = {id: {*places.find_areas(before[id].context)} - {*after[id].areas} for id in updates}
    return {id: areas for id, areas in found.items() if areas}


async def _refuse_excess(
    connection: Connection, people: Mapping[UUID, Profile], pending: PendingStatements
) -> list[Refusal]:
    """Count the requests that send a mail each, and return the refusals of too many."""
    requests = [
        request
        for id, statements in sorted(pending.said.items())
        if id in people and pending.topics.is_in_force
        for request in find_requests(people[id].traits, people[id].preferences, statements, pending.topics)
    ]
    keys = [key for request in requests for key in request.keys]
    return list(refuse_excess(requests, await subscription_requests.count(connection, keys))) if keys else []


def _without(said: Mapping[UUID, Sequence[Statement]], excess: Sequence[Refusal]) -> Mapping[UUID, Sequence[Statement]]:
    if not excess:
        return said
    refused = [refusal.statement for refusal in excess]
    return {id: [one for one in statements if one not in refused] for id, statements in said.items()}


async def write_statements(connection: Connection, profile_id: UUID, statements: Sequence[Statement]) -> PeopleUpdate:
    """Apply statements to a locked profile, and record it."""
    async with connection.pipeline():
        pending = await ask_for_people(connection, [profile_id], {profile_id: statements}, with_consent=False)
        written = await write_people(connection, pending)
        if written.history:
            await profile_changes.insert(connection, written.history)
    return written


async def _ensure_combined(
    connection: Connection,
    before: Mapping[UUID, Profile],
    after: Mapping[UUID, ProfileState],
    named: Collection[Address],
    refused: dict[Address, dict[str, str | None]],
) -> None:
    """Insert addresses that several traits make together, and read their refusals.

    A phone number without a country code is one with the person's country.
    """
    combined = {
        address
        for id, state in after.items()
        for address in normalized_addresses(state.traits.values).items()
        - normalized_addresses(before[id].traits).items()
        if address not in named
    }
    if combined:
        await addresses.ensure(connection, combined)
        refused |= await (await addresses.find_refused(connection, (), combined)).get()


def named_addresses(said: Mapping[UUID, Sequence[Statement]]) -> set[Address]:
    """Return the addresses that statements about traits name."""
    return {address for statements in said.values() for address in addresses_in(statements)}
