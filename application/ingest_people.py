"""People of ingested events: resolve them, and link and merge their ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace
from uuid_utils.compat import uuid7

from application import routing
from application.account_journeys import hand_over_of_strangers
from application.accounts import lock_before_merge as lock_accounts
from application.identity_locks import IdentityMovedError
from application.profile_history import identity_changes
from application.profile_merges import PeopleMerge, lock_before_merge, merge_people
from domain.journey.listeners import Listeners
from domain.journey.part_statements import PartStatements
from domain.people.computed.deployed import DeployedTraits
from domain.people.identity import Identity, Known, Resolution, resolve
from domain.people.identity_sources import identity_sources, merge_sources
from domain.people.topics.deployed import DeployedTopics
from domain.tracking.event import Event, Trust
from domain.tracking.stored_event import StoredEvent
from store import journeys, outbox, profiles
from store.database import Connection


@dataclass(frozen=True, slots=True)
class ResolvedEvents:
    """Events with their people; the `effective` ones count for more than history."""

    resolution: Resolution
    stored: list[StoredEvent]
    effective: list[StoredEvent]


def resolve_people(new: Sequence[Event], known: Mapping[Identity, Known], *, exclusive: bool) -> ResolvedEvents:
    """Find the people of events, in order.

    Raises IdentityMovedError if that takes an exclusive claim of the identities.
    """
    resolution = resolve(new, known, uuid7)
    if resolution.is_structural and not exclusive:
        raise IdentityMovedError
    if resolution.unverified:
        new = [_mark_unverified(event) if event.id in resolution.unverified else event for event in new]
    stored = [StoredEvent(resolution.profile_of[event.id], event) for event in new]
    return ResolvedEvents(resolution, stored, [one for one in stored if one.event.trust is not Trust.UNVERIFIED])


def _mark_unverified(event: Event) -> Event:
    """Return an event that is kept as history, and counts for nothing."""
    return replace(event, trust=Trust.UNVERIFIED, claims={})


async def link_people(
    connection: Connection,
    found: ResolvedEvents,
    known: Mapping[Identity, Known],
    statements: PartStatements,
    listeners: Listeners,
    traits: DeployedTraits,
    topics: DeployedTopics,
    received_at: datetime,
) -> PeopleMerge:
    """Create people, and link and merge their ids; return the changes.

    A merge first locks all people that it touches. Raises IdentityMovedError if another batch has linked one
    of the ids meanwhile.
    """
    resolution = found.resolution
    if not resolution.linked and not resolution.merged:
        return PeopleMerge([], [], [])
    if resolution.linked and not await profiles.create(connection, resolution.created, resolution.linked, received_at):
        raise IdentityMovedError
    sources = identity_sources(one.event for one in found.stored)
    merges = merge_sources(resolution, known, sources)
    linked = PeopleMerge(identity_changes(resolution, sources, merges), [], [])
    if merged := resolution.merged:
        locked = await lock_before_merge(
            connection, merged, statements.touched, statements.said, statements.of_addresses
        )
        if listeners.of_accounts:
            involved = statements.touched.union(merged, merged.values())
            happened = (one.event for one in found.effective)
            await lock_accounts(connection, statements.of_accounts, happened, involved)
        doubled = await journeys.end_doubles(connection, merged, received_at)
        if doubled:
            await outbox.append(connection, [routing.exit_message(workflow_id, "merged") for workflow_id in doubled])
        people = await locked.get()
        watched = listeners.watched_traits
        merge = await merge_people(connection, merged, people, merges, traits, watched, received_at, topics)
        if listeners.of_accounts:
            await hand_over_of_strangers(connection, merged.values())
        linked = PeopleMerge(linked.history + merge.history, merge.refusals, merge.changes)
    if resolution.claimed:
        await profiles.claim(connection, resolution.claimed)
    return linked
