"""First phases of ingest: claim a part of a batch, and screen its new events."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from application.catalogue import Catalogue
from application.identity_locks import IdentityMovedError
from domain.journey.listeners import Listeners
from domain.people.address_statements import LinkStatement, ReportedRefusal
from domain.people.computed.deployed import DeployedTraits
from domain.people.erasure import claimed_identities, drop_erased_claims, find_erased, reject_erased
from domain.people.identity import Identity, Known, identities_of
from domain.people.segments.deployed import DeployedSegments
from domain.sending.ledger_marks import LedgerMarks
from domain.tracking.event import Event, Reject, Trust
from domain.tracking.rejects import Unrecorded, select_losses
from store import campaigns, erasures, events, identity_locks
from store import rejects as reject_log
from store.database import Connection


@dataclass(frozen=True, slots=True)
class BatchPart:
    """The events of one transaction, at `places` in their request, with its losses.

    `by_link` is the use of a link, which the events report. `refusals` are those that an event makes,
    by its id. `marks` are written to the ledger, whichever of the events are new.
    """

    events: Sequence[Event]
    places: Sequence[int]
    rejects: Sequence[Reject]
    unrecorded: Unrecorded
    received_at: datetime
    by_link: LinkStatement | None
    refusals: Mapping[UUID, ReportedRefusal] = field(default_factory=dict)
    marks: Sequence[LedgerMarks] = ()

    def find_place(self, event_id: UUID) -> int:
        """Return the place of an event among these."""
        return next(place for place, event in enumerate(self.events) if event.id == event_id)


@dataclass(frozen=True, slots=True)
class PartClaim:
    """Rules, event ids and identities that a transaction holds until it commits.

    `event_ids` are those never seen before. `erased_at` are the ids of people erased lately; `remembers_erased` tells
    whether there are any, `may_end_holds` whether there are holds that an event could end.
    """

    listeners: Listeners
    traits: DeployedTraits
    segments: DeployedSegments
    event_ids: Collection[UUID]
    identities: Mapping[Identity, Known]
    erased_at: Mapping[Identity, datetime]
    remembers_erased: bool
    may_end_holds: bool


@dataclass(frozen=True, slots=True)
class ScreenedPart:
    """The new events of a part, and the message ids of repeated ones.

    `forgotten` are the rejects of events that name an erased person, and `more_forgotten` the number of further ones.
    """

    new: list[Event]
    duplicates: list[str]
    forgotten: list[Reject]
    more_forgotten: int


async def claim_part(
    connection: Connection, catalogue: Catalogue, part: BatchPart, *, exclusive: bool, looks_up_erased: bool
) -> PartClaim:
    """Claim the registry, the ids of events and their identities, in one round trip.

    An `exclusive` claim lets the caller change the people of identities, and takes two more; it raises
    IdentityMovedError if another transaction just did. `looks_up_erased` saves one if ids of erased people are
    remembered.
    """
    wanted = identities_of(part.events)
    limited = {one.anonymous_id for one in part.events if one.trust is not Trust.VERIFIED and one.anonymous_id}
    control = await campaigns.begin_lock_registry_shared(connection)
    claims = await events.claim_ids(connection, part.events, part.received_at)
    locked = await identity_locks.lock_identities(connection, wanted) if exclusive else None
    if exclusive and locked is None:
        raise IdentityMovedError
    found = None if exclusive else await identity_locks.find_identities(connection, wanted)
    claimed_ids = await identity_locks.find_claimed(connection, limited) if limited else None
    erasable = wanted | claimed_identities(part.events)
    erased_ids = await erasures.find_erased_ids(connection, erasable) if looks_up_erased else None
    state = await control.get()
    if state.remembers_erased and erased_ids is None:
        erased_ids = await erasures.find_erased_ids(connection, erasable)
    listeners = await catalogue.listeners_at(connection, state.revision)
    traits = await catalogue.computed_at(connection, state.revision)
    segments = await catalogue.segments_at(connection, state.revision)
    identities = await found.get() if found else locked or {}
    if claimed_ids is not None:
        identities = {**identities, **_as_known(identities, await claimed_ids.get())}
    erased_at = await erased_ids.get() if erased_ids else {}
    may_end_holds = state.holds_until is not None and state.holds_until > part.received_at
    return PartClaim(
        listeners, traits, segments, await claims.get(), identities, erased_at, state.remembers_erased, may_end_holds
    )


def _as_known(identities: Mapping[Identity, Known], anonymous_ids: Collection[str]) -> dict[Identity, Known]:
    """Return these anonymous ids as those of known people."""
    return {
        one: replace(known, is_anonymous=False)
        for one, known in identities.items()
        if one.kind == "anonymous" and one.value in anonymous_ids
    }


async def screen_part(connection: Connection, part: BatchPart, claim: PartClaim) -> ScreenedPart:
    """Select the new events, and record the losses of the request.

    The ids of events that name an erased person are released: no row has them.
    """
    duplicates = [event.message_id for event in part.events if event.id not in claim.event_ids]
    erased = find_erased((event for event in part.events if event.id in claim.event_ids), claim.erased_at)
    forgotten, more_forgotten = reject_erased(erased, part.events, part.places)
    taken = claim.event_ids
    if erased:
        await events.release_ids(connection, erased)
        await reject_log.insert(connection, forgotten, more_forgotten, part.received_at)
        taken = set(taken).difference(event.id for event in erased)
    lost, more_lost = select_losses(taken, part.rejects, part.unrecorded, part.events[0].source)
    if lost:
        await reject_log.insert(connection, lost, more_lost, part.received_at)
    new = [drop_erased_claims(event, claim.erased_at) for event in part.events if event.id in taken]
    return ScreenedPart(new, duplicates, forgotten, more_forgotten.number)
