"""Ingest of events: one transaction a batch, in a fixed number of statements."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from uuid import UUID

from msgspec.structs import replace
from psycopg.errors import DeadlockDetected, UniqueViolation
from uuid_utils.compat import uuid7

from application import routing, turns
from application.account_journeys import hand_over, hand_over_of_strangers
from application.accounts import ChangeOfAccount, account_statements, ask_for_accounts, possible_changes
from application.accounts import lock_before_merge as lock_accounts
from application.address_statements import AddressStatement, OptOut
from application.catalogue import Catalogue
from application.derived_events import plan_events, possible_profile_changes
from application.following import Followed, TooMuchToFollow, ask_for_states
from application.operations.announce import announce
from application.profile_history import identity_changes
from application.profile_merges import PeopleMerged, lock_before_merge, merge_people
from application.statements import ask_for_people, write_people
from domain.errors import UnavailableError
from domain.journey.listeners import Listeners
from domain.journey.routing_result import RoutingResult
from domain.people import identity
from domain.people.accounts import MEMBER
from domain.people.computed.deployed import DeployedTraits
from domain.people.erasure import claimed_identities, drop_erased_claims, find_erased, reject_erased
from domain.people.identity import Identity, Known, Resolution
from domain.people.identity_sources import identity_sources, merge_sources
from domain.people.left_out import list_left_out
from domain.people.profile_state import Source, Statement
from domain.people.statements import claims_of, event_source, statements_of, surroundings_of
from domain.tracking.event import Event, Reject, Trust
from domain.tracking.reactions import message_reacted_to
from domain.tracking.rejects import ALL_RECORDED, Unrecorded, select_losses
from store import campaigns, erasures, events, journeys, messages, outbox, profile_changes, profiles
from store import rejects as reject_log
from store.accounts import MemberKey
from store.database import Connection, Database, PendingResult
from store.events import StoredEvent
from store.profile_changes import ProfileChange
from store.profiles import Profile

# Batches with the same new people take turns: one succeeds in each round.
ATTEMPTS = 12
# Events of one transaction: each stage processes all at once, in some 25 µs an event.
MAX_EVENTS = 500
# Traits and consents of one transaction, except those of its first event: folded, stored and kept as history in 5 to 10
# µs each.
MAX_TRAITS_SAID = 5_000


@dataclass(frozen=True, slots=True)
class IngestResult:
    """The number of new events, and the message ids of repeated ones.

    `left_out` are the parts of new events for which their profile had no room, and the events that name a person erased
    since; `unnamed` counts further ones.
    """

    accepted: int
    duplicates: list[str]
    left_out: list[Reject] = field(default_factory=list)
    unnamed: int = 0


class _IdentityMoved(Exception):
    """The batch changes the person of an identity, or another batch just did."""


class _TooMuchWork(Exception):
    """Only the first `number` events fit into one transaction."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Ingest:
    """Ingests events. After the call, they are stored and their effects are decided."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._catalogue = catalogue
        # As the last batch found it: only then are erased ids looked up with the others.
        self._remembers_erased = False

    async def __call__(
        self,
        batch: Sequence[Event],
        rejects: Sequence[Reject] = (),
        *,
        received_at: datetime,
        unrecorded: Unrecorded = ALL_RECORDED,
        places: Sequence[int] | None = None,
        opt_out: OptOut | None = None,
    ) -> IngestResult:
        """Store events, with their effects and the rejects of their request.

        `places` are those of the events in their request, which may have had rejects or repetitions. `opt_out` is the
        use of an unsubscribe link, which the batch reports.

        More work than fits into one transaction is done in parts, in order. Raises psycopg.OperationalError if the
        database is away; then neither the current part nor later ones are stored.
        """
        places = range(len(batch)) if places is None else places
        total = IngestResult(0, [])
        first, number = 0, MAX_EVENTS
        while True:
            part = _take_within_traits(batch[first : first + number])
            places_of_part = places[first : first + len(part)]
            try:
                result = await self._part(part, places_of_part, rejects, unrecorded, received_at, opt_out)
            except _TooMuchWork as more:
                number = more.number
                continue
            total = IngestResult(
                total.accepted + result.accepted,
                total.duplicates + result.duplicates,
                total.left_out + result.left_out,
                total.unnamed + result.unnamed,
            )
            first += len(part)
            if first >= len(batch):
                return total
            # The rejects of an event stay with it; other rejects were stored with the first part.
            rejects, unrecorded = [one for one in rejects if one.event_id is not None], unrecorded.select_events()
            # Events resemble those before them, so the next part begins at this size.
            number = min(2 * number, MAX_EVENTS)

    async def _part(
        self,
        batch: Sequence[Event],
        places: Sequence[int],
        rejects: Sequence[Reject],
        unrecorded: Unrecorded,
        received_at: datetime,
        opt_out: OptOut | None,
    ) -> IngestResult:
        exclusive = False
        for attempt in range(ATTEMPTS):
            try:
                async with self._database.pipeline() as connection:
                    return await self._ingest(
                        connection, batch, places, rejects, unrecorded, received_at, opt_out, exclusive=exclusive
                    )
            except _IdentityMoved:
                exclusive = True
            except (DeadlockDetected, UniqueViolation):
                # Two concurrent merges of the same people: the second finds the work of the first.
                exclusive = True
                if attempt == ATTEMPTS - 1:
                    raise
        raise UnavailableError("the identities of this batch keep changing; send it again", retry_after=1)

    async def _ingest(
        self,
        connection: Connection,
        batch: Sequence[Event],
        places: Sequence[int],
        rejects: Sequence[Reject],
        unrecorded: Unrecorded,
        received_at: datetime,
        opt_out: OptOut | None,
        *,
        exclusive: bool,
    ) -> IngestResult:
        if not batch:
            if rejects:
                await reject_log.insert(connection, rejects, unrecorded, received_at)
            return IngestResult(0, [])
        control = await campaigns.begin_lock_registry_shared(connection)
        claims = await events.claim_ids(connection, batch, received_at)
        wanted = identity.identities_of(batch)
        known = await profiles.lock_identities(connection, wanted) if exclusive else None
        found = None if exclusive else await profiles.find_identities(connection, wanted)
        limited = {event.anonymous_id for event in batch if event.trust is not Trust.VERIFIED and event.anonymous_id}
        claimed_ids = await profiles.find_claimed(connection, limited) if limited else None
        erasable = wanted | claimed_identities(batch)
        erased_ids = await erasures.find_erased_ids(connection, erasable) if self._remembers_erased else None
        state = await control.get()
        self._remembers_erased = state.remembers_erased
        if state.remembers_erased and erased_ids is None:
            erased_ids = await erasures.find_erased_ids(connection, erasable)
        listeners = await self._catalogue.listeners_at(connection, state.revision)
        traits = await self._catalogue.computed_at(connection, state.revision)
        claimed = await claims.get()
        erased_at = await erased_ids.get() if erased_ids else {}
        erased = find_erased((event for event in batch if event.id in claimed), erased_at)
        forgotten, more_forgotten = reject_erased(erased, batch, places)
        if erased:
            await events.release_ids(connection, erased)
            await reject_log.insert(connection, forgotten, more_forgotten, received_at)
        taken = claimed - {event.id for event in erased} if erased else claimed
        lost, more_lost = select_losses(taken, rejects, unrecorded, batch[0].source)
        if lost:
            await reject_log.insert(connection, lost, more_lost, received_at)
        new = [drop_erased_claims(event, erased_at) for event in batch if event.id in taken]
        duplicates = [event.message_id for event in batch if event.id not in claimed]
        if not new:
            return IngestResult(0, duplicates, forgotten, more_forgotten.number)
        identities = await found.get() if found else known
        if identities is None:
            raise _IdentityMoved
        if claimed_ids is not None:
            identities = {**identities, **_as_known(identities, await claimed_ids.get())}
        resolution = identity.resolve(new, identities, uuid7)
        if resolution.is_structural and not exclusive:
            raise _IdentityMoved
        if resolution.unverified:
            new = [_mark_unverified(event) if event.id in resolution.unverified else event for event in new]
        fresh = [StoredEvent(resolution.profile_of[event.id], event) for event in new]
        effective = [entry for entry in fresh if entry.event.trust is not Trust.UNVERIFIED]
        heard = {entry.event.id for entry in effective if listeners.hears(entry.event)}
        said = _statements(effective, heard, received_at, opt_out)
        counted = {entry.profile_id for entry in effective if traits.following.hears(entry.event)}
        of_accounts = account_statements(effective, received_at)
        touched = {entry.profile_id for entry in effective if heard and entry.event.id in heard} | said.keys() | counted
        touched |= {statement.profile_id for statement in of_accounts}
        of_addresses = _opt_out_statements(fresh[0], opt_out) if opt_out else ()
        if resolution.linked and not await profiles.create(
            connection, resolution.created, resolution.linked, received_at
        ):
            raise _IdentityMoved
        merged = resolution.merged
        locked = await lock_before_merge(connection, merged, touched, said, of_addresses) if merged else None
        if merged and listeners.of_accounts:
            involved = touched.union(merged, merged.values())
            await lock_accounts(connection, of_accounts, (entry.event for entry in effective), involved)
        history, linked = await self._link(
            connection, new, identities, resolution, locked, traits, listeners, received_at
        )
        refusals = linked.refusals
        await events.insert(connection, fresh, received_at)
        reactions = _reactions(new)
        possible = chain(possible_profile_changes(said), possible_changes(of_accounts))
        planned = plan_events(effective, heard, possible, linked.changes, listeners, traits)
        result = RoutingResult()
        left: set[MemberKey] = set()
        changed_accounts: list[ChangeOfAccount] = []
        concerned = (
            planned.profile_events if listeners.concern_accounts(each.event for each in planned.profile_events) else []
        )
        leaving = bool(listeners.of_accounts) and any(not statement.place[MEMBER] for statement in of_accounts)
        if said or planned.profile_events or counted or of_accounts:
            with_consent = bool(planned.profile_events) and listeners.may_look_at_consent
            touched |= {profile_event.profile_id for profile_event in planned.profile_events}
            asked = await ask_for_people(connection, touched, said, of_addresses, with_consent=with_consent)
            routed = {profile_event.reported_id for profile_event in planned.profile_events}
            states = await ask_for_states(connection, traits, effective, routed, listeners.watched_traits)
            accounts = await ask_for_accounts(connection, of_accounts, concerned) if of_accounts or concerned else None
            pending = (
                await routing.load_context(
                    connection,
                    listeners,
                    planned.profile_events,
                    received_at,
                    accounts.ids if accounts and (concerned or leaving) else (),
                    leaving=leaving,
                )
                if planned.profile_events
                else None
            )
            written = await write_people(connection, asked)
            history += written.history
            refusals += written.refusals
            changes = [*written.changes()]
            if accounts is not None:
                accounts_written = await accounts.write(connection)
                history += accounts_written.history
                refusals += accounts_written.refusals
                changed_accounts = accounts_written.changes
                changes += [(one.profile_id, one.change) for one in changed_accounts]
                left = accounts_written.left
            followed = Followed(written.people, {}, [])
            if states is not None:
                try:
                    followed = await states.follow(connection, written.people, received_at)
                except TooMuchToFollow as too_much:
                    raise _TooMuchWork(_place(batch, too_much.event_id)) from too_much
            planned = planned.settle([*changes, *followed.changes])
            if pending is not None:
                try:
                    context = await pending.get(followed.people, followed.as_of)
                    result = await turns.run(routing.route(planned.profile_events, listeners, context, received_at))
                except routing.TooMuchWork as too_much:
                    raise _TooMuchWork(_place(batch, too_much.reported_id)) from too_much
        if planned.derived:
            await events.insert(connection, planned.derived, received_at)
        if history:
            await profile_changes.insert(connection, history)
        beyond, more = list_left_out(refusals, resolution.conflicts, batch, places)
        if beyond:
            await reject_log.insert(connection, beyond, more, received_at)
        if reactions:
            await messages.mark_opened(connection, reactions, ending=result.exits)
        await routing.record(connection, self._catalogue, result, planned.profile_events, received_at)
        if leaving:
            await hand_over(connection, left)
        if changed_accounts:
            await announce(connection, listeners, new, changed_accounts)
        return IngestResult(len(fresh), duplicates, forgotten + beyond, more_forgotten.number + more.number)

    async def _link(
        self,
        connection: Connection,
        batch: Sequence[Event],
        known: Mapping[Identity, Known],
        resolution: Resolution,
        locked: PendingResult[dict[UUID, Profile]] | None,
        traits: DeployedTraits,
        listeners: Listeners,
        received_at: datetime,
    ) -> tuple[list[ProfileChange], PeopleMerged]:
        """Apply changes of the locked people's identities; return them and the merges."""
        merge = PeopleMerged([], [], [])
        if not resolution.linked and not resolution.merged:
            return [], merge
        sources = identity_sources(batch)
        merges = merge_sources(resolution, known, sources)
        history = identity_changes(resolution, sources, merges)
        if locked is not None:
            doubled = await journeys.end_doubles(connection, resolution.merged, received_at)
            if doubled:
                await outbox.append(
                    connection, [routing.exit_message(workflow_id, "merged") for workflow_id in doubled]
                )
            people = await locked.get()
            merge = await merge_people(
                connection, resolution.merged, people, merges, traits, listeners.watched_traits, received_at
            )
            if listeners.of_accounts:
                await hand_over_of_strangers(connection, resolution.merged.values())
            history += merge.history
        if resolution.claimed:
            await profiles.claim(connection, resolution.claimed)
        return history, merge


def _place(batch: Sequence[Event], event_id: UUID) -> int:
    return next(place for place, event in enumerate(batch) if event.id == event_id)


def _take_within_traits(batch: Sequence[Event]) -> Sequence[Event]:
    """Return the first event, and those after it within MAX_TRAITS_SAID."""
    said = 0
    for number, event in enumerate(batch):
        if event.type in ("identify", "group"):
            said += len(event.properties)
            said += len(event.properties.get("consent") or ()) if event.type == "identify" else 0
            if said > MAX_TRAITS_SAID and number > 0:
                return batch[:number]
    return batch


def _mark_unverified(event: Event) -> Event:
    """Return an event that is kept as history, and counts for nothing."""
    return replace(event, trust=Trust.UNVERIFIED, claims={})


def _as_known(identities: Mapping[Identity, Known], anonymous_ids: Collection[str]) -> dict[Identity, Known]:
    """Return these anonymous ids as those of known people."""
    return {
        one: replace(known, is_anonymous=False)
        for one, known in identities.items()
        if one.kind == "anonymous" and one.value in anonymous_ids
    }


def _reactions(new: Sequence[Event]) -> dict[UUID, datetime]:
    """Return the first reaction to each message, by an id that may not exist."""
    reactions: dict[UUID, datetime] = {}
    for event in new:
        # An id in what anyone may report could be that of another person's message.
        if event.trust is not Trust.VERIFIED:
            continue
        if (message_id := message_reacted_to(event)) is not None:
            reactions.setdefault(message_id, event.timestamp)
    return reactions


def _statements(
    fresh: Sequence[StoredEvent], heard: Collection[UUID], received_at: datetime, opt_out: OptOut | None
) -> dict[UUID, list[Statement]]:
    """Return the statements of a batch by profile, in order; `heard` have listeners.

    The context of an event counts only if its profile is locked anyway: an event without listeners costs no lock.
    """
    said: dict[UUID, list[Statement]] = {}
    for one in fresh:
        event = one.event
        is_folded = event.type == "identify" or (heard and event.id in heard)
        if not (is_folded or event.claims):
            continue
        source = _source(event, opt_out)
        statements = claims_of(event, source, received_at)
        if is_folded:
            statements += statements_of(event, source, received_at) + surroundings_of(event, source, received_at)
        if statements:
            said.setdefault(one.profile_id, []).extend(statements)
    return said


def _opt_out_statements(reported: StoredEvent, opt_out: OptOut) -> list[AddressStatement]:
    return opt_out.statements(reported.profile_id, _source(reported.event, opt_out))


def _source(event: Event, opt_out: OptOut | None) -> Source:
    source = event_source(event)
    return source if opt_out is None else replace(source, kind="link", name="")
