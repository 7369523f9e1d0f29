"""Events in: one transaction for a whole batch, in a fixed handful of statements, whatever its size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace
from psycopg.errors import DeadlockDetected, UniqueViolation
from uuid_utils.compat import uuid7

from application import routing
from application.catalogue import Catalogue
from domain.errors import UnavailableError
from domain.journey.matching import Happening
from domain.journey.routed import Routed
from domain.people import identity
from domain.people.identity import Identity, Known, Resolution
from domain.tracking.event import Event, Reject
from domain.tracking.reactions import message_reacted_to
from domain.tracking.rejects import ALL_RECORDED, Unrecorded
from store import campaigns, events, journeys, messages, outbox, profiles
from store import rejects as reject_log
from store.database import Connection, Database
from store.events import StoredEvent
from store.profiles import Profile, ProfileChange

# Batches that meet the same new people at once take turns: of each round one comes through.
ATTEMPTS = 12


@dataclass(frozen=True, slots=True)
class IngestResult:
    """How many events were new, and those message ids that had been seen before and changed nothing."""

    accepted: int
    duplicates: list[str]


class _IdentityMoved(Exception):
    """The batch makes an identity mean another person, or another batch has just linked it."""


class Ingest:
    """Take events in. When the call returns, they cannot be lost and what they mean has been decided."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._catalogue = catalogue

    async def __call__(
        self,
        batch: Sequence[Event],
        rejects: Sequence[Reject] = (),
        *,
        received_at: datetime,
        unrecorded: Unrecorded = ALL_RECORDED,
    ) -> IngestResult:
        """Store the events with what they mean, and what was refused or left out beside them.

        Raises psycopg.OperationalError when the database is away; then nothing was kept.
        """
        exclusive = False
        for attempt in range(ATTEMPTS):
            try:
                async with self._database.pipeline() as connection:
                    return await self._ingest(connection, batch, rejects, unrecorded, received_at, exclusive=exclusive)
            except _IdentityMoved:
                exclusive = True
            except (DeadlockDetected, UniqueViolation):
                # Two merges of the same people at once: whoever comes second finds the work of the first.
                exclusive = True
                if attempt == ATTEMPTS - 1:
                    raise
        raise UnavailableError("the identities of this batch keep changing; send it again", retry_after=1)

    async def _ingest(
        self,
        connection: Connection,
        batch: Sequence[Event],
        rejects: Sequence[Reject],
        unrecorded: Unrecorded,
        received_at: datetime,
        *,
        exclusive: bool,
    ) -> IngestResult:
        if not batch:
            if rejects:
                await reject_log.insert(connection, rejects, unrecorded, received_at)
            return IngestResult(0, [])
        control = await campaigns.ask_to_share_control(connection)
        claims = await events.claim_ids(connection, batch, received_at)
        wanted = identity.identities_of(batch)
        found = None if exclusive else await profiles.find_identities(connection, wanted)
        listeners = await self._catalogue.listeners_at(connection, await control.answer())
        claimed = await claims.answer()
        # A call that comes again has lost nothing again.
        if lost := [reject for reject in rejects if reject.event_id is None or reject.event_id in claimed]:
            await reject_log.insert(connection, lost, unrecorded, received_at)
        new = [event for event in batch if event.id in claimed]
        duplicates = [event.message_id for event in batch if event.id not in claimed]
        if not new:
            return IngestResult(0, duplicates)
        identities = await found.answer() if found else await profiles.lock_identities(connection, wanted)
        resolution = await _resolve(connection, new, identities, received_at, exclusive=exclusive)
        fresh = [StoredEvent(resolution.profile_of[event.id], event) for event in new]
        await events.insert(connection, fresh, received_at)
        interesting = [Happening(entry.profile_id, entry.event) for entry in fresh if listeners.hears(entry.event)]
        reactions = _reactions(new)
        changes = _changes(fresh)
        routed = Routed()
        if changes or interesting:
            touched = {happening.profile_id for happening in interesting} | set(changes)
            people = await profiles.lock(connection, touched)
            if changes:
                await profiles.change(connection, [change for _, change in sorted(changes.items())])
            if interesting:
                around = await routing.ask_around(connection, listeners, interesting)
                known = {id: _changed(person, changes.get(id)) for id, person in (await people.answer()).items()}
                routed = routing.route(interesting, listeners, await around.answer(known), received_at)
        if reactions:
            await messages.mark_opened(connection, reactions, ending=routed.left)
        await routing.record(connection, self._catalogue, routed, interesting, received_at)
        return IngestResult(len(fresh), duplicates)


async def _resolve(
    connection: Connection,
    batch: Sequence[Event],
    known: Mapping[Identity, Known],
    received_at: datetime,
    *,
    exclusive: bool,
) -> Resolution:
    resolution = identity.resolve(batch, known, uuid7)
    if resolution.is_structural and not exclusive:
        raise _IdentityMoved
    if resolution.linked and not await profiles.create(connection, resolution.created, resolution.linked):
        raise _IdentityMoved
    if resolution.merged:
        # Before the journeys, as the gate and the claim of a message have it: crosswise they would deadlock.
        await profiles.lock(connection, {*resolution.merged, *resolution.merged.values()})
        doubled = await journeys.end_doubles(connection, resolution.merged, received_at)
        if doubled:
            await outbox.append(connection, [routing.exit_notice(workflow_id, "merged") for workflow_id in doubled])
    if resolution.is_structural:
        await profiles.restructure(connection, resolution)
    return resolution


def _reactions(new: Sequence[Event]) -> dict[UUID, datetime]:
    """When somebody first reacted to a message, by its id; nobody has yet looked whether there is such a message."""
    reactions: dict[UUID, datetime] = {}
    for event in new:
        if (message_id := message_reacted_to(event)) is not None:
            reactions.setdefault(message_id, event.timestamp)
    return reactions


def _changes(fresh: Sequence[StoredEvent]) -> dict[UUID, ProfileChange]:
    """What the identifies of a batch report of each profile, later ones over earlier ones."""
    changes: dict[UUID, ProfileChange] = {}
    for stored in fresh:
        if stored.event.type != "identify":
            continue
        traits: dict[str, Any] = dict(stored.event.properties)
        consent = traits.pop("consent", None) or {}
        before = changes.get(stored.profile_id, ProfileChange(stored.profile_id, {}, {}))
        changes[stored.profile_id] = ProfileChange(
            stored.profile_id, {**before.traits, **traits}, {**before.consent, **consent}
        )
    return changes


def _changed(person: Profile, change: ProfileChange | None) -> Profile:
    if change is None:
        return person
    return replace(person, traits={**person.traits, **change.traits}, consent={**person.consent, **change.consent})
