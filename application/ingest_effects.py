"""Effects of ingested events: changes of people and accounts, then of journeys."""

from dataclasses import dataclass
from datetime import datetime

from application import routing, turns
from application.account_journeys import hand_over
from application.accounts import AccountsWritten, PendingAccounts, ask_for_accounts
from application.catalogue import Catalogue
from application.ingest_claims import BatchPart, PartClaim
from application.ingest_people import ResolvedEvents
from application.operations.announce import announce
from application.profile_merges import PeopleMerge
from application.routing import PendingContext
from application.statements import PendingStatements, ask_for_people, write_people
from application.trait_updates import PendingStates, ask_for_states, write_update
from domain.journey.part_statements import PartStatements
from domain.journey.planned_events import PlannedEvents, plan_part, select_of_accounts
from domain.journey.routing_result import RoutingResult
from domain.people.accounts import MEMBER
from domain.people.left_out import list_left_out
from domain.people.profile_state import Refusal
from domain.people.trait_updates import no_update
from domain.sending.ledger_marks import merge_marks
from domain.tracking.event import Reject
from domain.tracking.reactions import marks_of_reactions
from domain.tracking.rejects import Unrecorded
from store import events, message_marks, profile_changes
from store import rejects as reject_log
from store.database import Connection
from store.profile_changes import ProfileChange

NO_ACCOUNTS = AccountsWritten([], [], [], set())


@dataclass(frozen=True, slots=True)
class IngestEffects:
    """Changes made by the events of a part, not yet recorded, and their refusals."""

    planned: PlannedEvents
    result: RoutingResult
    history: list[ProfileChange]
    refusals: list[Refusal]
    accounts: AccountsWritten


@dataclass(frozen=True, slots=True)
class _PendingEffects:
    """Requested locks of people, accounts and journeys. None was not needed."""

    people: PendingStatements
    states: PendingStates | None
    accounts: PendingAccounts | None
    context: PendingContext | None


async def apply_effects(
    connection: Connection,
    people: ResolvedEvents,
    statements: PartStatements,
    linked: PeopleMerge,
    claim: PartClaim,
    received_at: datetime,
) -> IngestEffects:
    """Apply the statements of stored events, and route the events and the changes.

    All locks take one round trip, and two if rules follow accounts. Raises TooMuchWork beyond one transaction.
    """
    said, of_accounts, listeners = statements.said, statements.of_accounts, claim.listeners
    planned = plan_part(people.effective, statements, linked.changes, claim.listeners, claim.traits, claim.segments)
    is_heard = planned.profile_events or statements.counted or statements.affected
    if not (said or of_accounts or statements.of_addresses or is_heard):
        return IngestEffects(planned, RoutingResult(), linked.history, linked.refusals, NO_ACCOUNTS)
    pending = await _ask(connection, people, statements, planned, claim, received_at)
    written = await write_people(connection, pending.people)
    accounts = await pending.accounts.write(connection) if pending.accounts else NO_ACCOUNTS
    computed = no_update(written.people)
    if pending.states:
        computed = await pending.states.count(connection, written.people, received_at)
        await write_update(connection, computed)
    of_accounts_changed = [(one.profile_id, one.change) for one in accounts.changes]
    planned = planned.settle([*written.changes(), *of_accounts_changed, *computed.changes])
    result = RoutingResult()
    if pending.context is not None:
        context = await pending.context.get(computed.people, computed.as_of)
        result = await turns.run(routing.route(planned.profile_events, listeners, context, received_at))
    return IngestEffects(
        planned,
        result,
        [*linked.history, *written.history, *accounts.history],
        [*linked.refusals, *written.refusals, *accounts.refusals],
        accounts,
    )


async def ask_for_computed(
    connection: Connection,
    people: ResolvedEvents,
    statements: PartStatements,
    planned: PlannedEvents,
    claim: PartClaim,
) -> PendingStates | None:
    """Request the states that the events of a part may change."""
    return await ask_for_states(
        connection,
        claim.traits,
        claim.segments,
        people.effective,
        {one.reported_id for one in planned.profile_events},
        claim.listeners.watched_traits,
        statements.affected,
        people.resolution,
    )


async def _ask(
    connection: Connection,
    people: ResolvedEvents,
    statements: PartStatements,
    planned: PlannedEvents,
    claim: PartClaim,
    received_at: datetime,
) -> _PendingEffects:
    """Lock people, then accounts, then journeys."""
    happened, listeners = planned.profile_events, claim.listeners
    locked = await ask_for_people(
        connection,
        statements.touched | {one.profile_id for one in happened},
        statements.said,
        statements.of_addresses,
        with_consent=bool((happened and listeners.may_look_at_consent) or statements.affected),
        places=claim.segments.places,
        topics=claim.segments.topics,
    )
    states = await ask_for_computed(connection, people, statements, planned, claim)
    of_accounts, concerned = statements.of_accounts, select_of_accounts(planned, listeners)
    accounts = await ask_for_accounts(connection, of_accounts, concerned) if of_accounts or concerned else None
    leaving = bool(listeners.of_accounts) and any(not one.place[MEMBER] for one in of_accounts)
    account_ids = accounts.ids if accounts and (concerned or leaving) else ()
    context = (
        await routing.load_context(connection, listeners, happened, received_at, account_ids, leaving=leaving)
        if happened
        else None
    )
    return _PendingEffects(locked, states, accounts, context)


async def record_effects(
    connection: Connection,
    catalogue: Catalogue,
    claim: PartClaim,
    part: BatchPart,
    people: ResolvedEvents,
    effects: IngestEffects,
) -> tuple[list[Reject], Unrecorded]:
    """Record the effects of events, and return the parts of events left out."""
    planned, result, received_at = effects.planned, effects.result, part.received_at
    if planned.derived:
        await events.insert(connection, planned.derived, received_at)
    if effects.history:
        await profile_changes.insert(connection, effects.history)
    left_out, more = list_left_out(effects.refusals, people.resolution.conflicts, part.events, part.places)
    if left_out:
        await reject_log.insert(connection, left_out, more, received_at)
    if marks := merge_marks([*marks_of_reactions(one.event for one in people.effective), *part.marks]):
        await message_marks.mark(connection, marks, ending=result.exits)
    await routing.record(connection, catalogue, result, planned.profile_events, received_at)
    if claim.listeners.of_accounts:
        await hand_over(connection, effects.accounts.left)
    if effects.accounts.changes:
        reported = (one.event for one in people.stored)
        await announce(connection, claim.listeners, claim.segments, reported, effects.accounts.changes, received_at)
    return left_out, more
