"""Events in: one transaction for a whole batch, in a fixed handful of statements, whatever its size."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from msgspec.structs import replace
from psycopg.errors import DeadlockDetected, UniqueViolation
from uuid_utils.compat import uuid7

from application.catalogue import Catalogue
from domain.errors import UnavailableError
from domain.journey import routing
from domain.journey.routing import Happening, Listeners, Routed, Surroundings
from domain.people import identity
from domain.people.identity import Resolution
from domain.tracking.event import Event, Reject
from store import decisions, events, journeys, outbox, profiles
from store.database import Connection, Database
from store.decisions import Decision
from store.events import StoredEvent
from store.outbox import Notice
from store.profiles import Profile, ProfileChange

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class IngestResult:
    """How many events were new, and how many had been seen before and changed nothing."""

    accepted: int
    duplicates: int


class _IdentityMoved(Exception):
    """The batch makes an identity mean another person, or another batch has just linked it."""


class Ingest:
    """Take events in. When the call returns, they cannot be lost and what they mean has been decided."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._catalogue = catalogue

    async def __call__(
        self, batch: Sequence[Event], rejects: Sequence[Reject] = (), *, received_at: datetime
    ) -> IngestResult:
        """Raises psycopg.OperationalError when the database is away; then nothing was kept."""
        exclusive = False
        for attempt in range(ATTEMPTS):
            try:
                async with self._database.transaction() as connection:
                    return await self._ingest(connection, batch, rejects, received_at, exclusive=exclusive)
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
        received_at: datetime,
        *,
        exclusive: bool,
    ) -> IngestResult:
        if rejects:
            await events.insert_rejects(connection, rejects, received_at)
        if not batch:
            return IngestResult(0, 0)
        listeners = await self._catalogue.listeners(connection)
        claimed = await events.claim_ids(connection, [event.message_id for event in batch], received_at)
        new = [event for event in batch if event.message_id in claimed]
        if not new:
            return IngestResult(0, duplicates=len(batch))
        resolution = await _resolve(connection, new, received_at, exclusive=exclusive)
        fresh = [StoredEvent(resolution.profile_of[event.message_id], event) for event in new]
        await events.insert(connection, fresh, received_at)
        interesting = [Happening(entry.profile_id, entry.event) for entry in fresh if listeners.hears(entry.event)]
        changes = _changes(fresh)
        if changes or interesting:
            touched = {happening.profile_id for happening in interesting} | set(changes)
            people = await profiles.lock(connection, touched)
            if changes:
                await profiles.change(connection, [change for _, change in sorted(changes.items())])
                people = {id: _changed(person, changes.get(id)) for id, person in people.items()}
            if interesting:
                await _route(connection, listeners, interesting, people, received_at)
        return IngestResult(accepted=len(fresh), duplicates=len(batch) - len(fresh))


async def _resolve(
    connection: Connection, batch: Sequence[Event], received_at: datetime, *, exclusive: bool
) -> Resolution:
    known = await profiles.find_identities(connection, identity.identities_of(batch), exclusive=exclusive)
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
            await outbox.append(connection, [_exit(workflow_id, "merged") for workflow_id in doubled])
    if resolution.is_structural:
        await profiles.restructure(connection, resolution)
    return resolution


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


async def _route(
    connection: Connection,
    listeners: Listeners,
    happenings: Sequence[Happening],
    people: dict[UUID, Profile],
    received_at: datetime,
) -> None:
    surroundings = await _surroundings(connection, listeners, happenings, people)
    routed = routing.route(happenings, listeners, surroundings, received_at=received_at, new_ids=iter(uuid7, None))
    # The decisions first, so that on the timeline their consequences follow them.
    if recorded := [*_exit_decisions(routed, happenings), *_entry_decisions(routed, received_at)]:
        await decisions.insert(connection, _in_order(recorded, happenings))
    born = {journey.id for journey in routed.entered}
    # The endings first: what ends a journey may start the next one of the same person, campaign and key.
    if endings := [ending for id, ending in routed.endings.items() if id not in born]:
        await journeys.end(connection, endings)
    if routed.entered:
        await journeys.insert(connection, routed.entered, routed.endings)
    if notices := _notices(routed, born):
        await outbox.append(connection, notices)


async def _surroundings(
    connection: Connection, listeners: Listeners, happenings: Sequence[Happening], people: dict[UUID, Profile]
) -> Surroundings:
    heard = [happening.event for happening in happenings]
    entering = [happening for happening in happenings if listeners.entries(happening.event)]
    campaigns = listeners.campaigns_concerned(heard)
    active = await journeys.lock_active(connection, {happening.profile_id for happening in happenings}, campaigns)
    if not entering:
        return Surroundings(people, active, {}, ())
    entrants = {happening.profile_id for happening in entering}
    versions = [version for happening in entering for version in listeners.entries(happening.event)]
    last = await journeys.last_entries(connection, entrants, {version.key for version in versions})
    since = min(happening.event.timestamp for happening in entering)
    exits = await events.tracked_since(connection, list(entrants), list(listeners.exit_events(versions)), since)
    return Surroundings(
        people,
        active,
        {(entry.campaign_key, entry.profile_id, entry.entry_key): entry.last_entered_at for entry in last},
        [Happening(stored.profile_id, stored.event) for stored in exits],
    )


def _entry_decisions(routed: Routed, at: datetime) -> list[Decision]:
    return [
        Decision(
            id=uuid5(decision.happening.profile_id, f"{decision.happening.event.message_id}/{decision.campaign_key}"),
            profile_id=decision.happening.profile_id,
            campaign_key=decision.campaign_key,
            kind="entry",
            outcome="refused" if decision.journey is None else "entered",
            reason=decision.reason,
            at=at,
            journey_id=decision.journey.id if decision.journey else None,
            event_id=decision.happening.event.message_id,
            data=decision.data,
        )
        for decision in routed.decisions
    ]


def _exit_decisions(routed: Routed, happenings: Sequence[Happening]) -> list[Decision]:
    names = {happening.event.message_id: happening.event.name for happening in happenings}
    return [
        Decision(
            id=uuid5(ending.id, "exit"),
            profile_id=routed.ended[ending.id].profile_id,
            campaign_key=routed.ended[ending.id].campaign_key,
            kind="exit",
            outcome=ending.outcome,
            reason="exit_event",
            at=ending.ended_at,
            journey_id=ending.id,
            event_id=ending.ended_by,
            data={"event": names[str(ending.ended_by)]},
        )
        for ending in routed.endings.values()
    ]


def _in_order(recorded: Sequence[Decision], happenings: Sequence[Happening]) -> list[Decision]:
    """By the events that they are due to."""
    places = {happening.event.message_id: place for place, happening in enumerate(happenings)}
    return sorted(recorded, key=lambda decision: places[str(decision.event_id)])


def _notices(routed: Routed, born: set[UUID]) -> list[Notice]:
    """What Temporal must be told. A journey that began and ended within the batch needs no workflow."""
    starts = [
        Notice(
            journey.workflow_id,
            "start",
            {"journey_id": str(journey.id), "campaign": journey.campaign_key, "version": journey.campaign_version},
        )
        for journey in routed.entered
        if journey.id not in routed.endings
    ]
    matched = [
        Notice(heard.journey.workflow_id, "matched", {"subscription": heard.subscription, "event_id": heard.event_id})
        for heard in routed.heard
        if heard.journey.id not in routed.endings
    ]
    exits = [
        _exit(routed.ended[id].workflow_id, str(ending.ended_by))
        for id, ending in routed.endings.items()
        if id not in born
    ]
    return [*starts, *matched, *exits]


def _exit(workflow_id: str, by: str) -> Notice:
    return Notice(workflow_id, "exit", {"by": by})
