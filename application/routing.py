"""Routing of events to journeys: read the data, decide, and record the results."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from application.accounts import read_accounts
from application.catalogue import Catalogue
from application.people import read_people
from domain.journey import routing
from domain.journey.listeners import Listeners
from domain.journey.matching import ProfileEvent
from domain.journey.position import Position, position_at_entry
from domain.journey.records import Journey
from domain.journey.routing_records import list_decisions, list_told_matches
from domain.journey.routing_result import RoutingContext, RoutingResult
from domain.long_work import LongWork, TooMuchWork
from domain.people.profile import Profile
from domain.tracking.stored_event import StoredEvent
from store import accounts, conversions, decisions, events, journeys, outbox
from store.conversions import Conversion
from store.database import Connection, PendingResult
from store.journeys import Entered, GoalSought
from store.outbox import OutboxMessage

log = structlog.get_logger()

NO_PEOPLE: Mapping[UUID, Profile] = {}
# For one person in one campaign, the ended journeys that may still reach their goal. Each goal event is evaluated for
# each.
MAX_PAST = 100
# Members of each account whose earlier exits and goals are looked for at the entry of its journey.
MAX_MEMBERS = 1_000
# Exits and goals that may have overtaken the entries of one transaction; beyond this it takes fewer events.
MAX_RECEIVED = 5_000
# Work is counted in evaluated conditions, where an expensive one counts as several, and in journeys, campaigns and
# rules compared with an event: 2 to 8 µs each, 25 µs at most. The bound of one transaction limits how long it holds the
# locks of its people.
MAX_WORK = 20_000
# The events that are in one transaction whatever work they take, by an id that they share.
Unit = Callable[[ProfileEvent], UUID]
# Finds the active journeys of people in campaigns, and those of accounts.
FindActive = Callable[
    [Connection, Collection[UUID], Collection[str], Collection[str]], Awaitable[PendingResult[list[Journey]]]
]


def by_event(profile_event: ProfileEvent) -> UUID:
    """Return the id of a reported event: those derived from it belong to it."""
    return profile_event.reported_id


def by_person(profile_event: ProfileEvent) -> UUID:
    """Return the id of a person: a transaction that has judged them reports all of it."""
    return profile_event.profile_id


@dataclass(frozen=True, slots=True)
class PendingContext:
    """The pending results about the journeys that events concern. None was not needed.

    The batch of `profile_events` can be split between units. Accounts are read if any condition or journey
    `reads_accounts`.
    """

    connection: Connection
    profile_events: Sequence[ProfileEvent]
    unit: Unit
    reads_accounts: bool
    active: PendingResult[list[Journey]]
    past: PendingResult[list[Journey]] | None
    last: PendingResult[list[Entered]] | None
    received: PendingResult[list[StoredEvent]] | None

    async def get(self, people: Mapping[UUID, Profile], as_of: Mapping[UUID, Profile] = NO_PEOPLE) -> RoutingContext:
        """Return the context of the events.

        Raises TooMuchWork if it exceeds that of one unit.
        """
        stored = await self.received.get() if self.received else []
        if len(stored) > MAX_RECEIVED and len(firsts := _first_events(self.profile_events, self.unit)) > 1:
            raise TooMuchWork(firsts[len(firsts) // 2].reported_id)
        received = [ProfileEvent(one.profile_id, one.event) for one in stored]
        # Members of the account of an entry, whose events are read alone.
        others = {one.profile_id for one in received} - people.keys()
        if others:
            people = {**await read_people(self.connection, others), **people}
        return RoutingContext(
            people,
            await self.active.get(),
            await self.past.get() if self.past else [],
            {
                (entry.campaign_key, entry.owner, entry.entry_key): entry.last_entered_at
                for entry in (await self.last.get() if self.last else ())
            },
            received,
            as_of,
            await read_accounts(self.connection, [*self.profile_events, *received]) if self.reads_accounts else {},
        )


def _first_events(profile_events: Iterable[ProfileEvent], unit: Unit) -> list[ProfileEvent]:
    """Return the first event of each unit."""
    firsts: dict[UUID, ProfileEvent] = {}
    for profile_event in profile_events:
        firsts.setdefault(unit(profile_event), profile_event)
    return list(firsts.values())


def route(
    profile_events: Sequence[ProfileEvent],
    listeners: Listeners,
    context: RoutingContext,
    received_at: datetime,
    unit: Unit = by_event,
) -> LongWork[RoutingResult]:
    """Route events. The caller has locked the people and the journeys.

    A piece of work evaluates a few conditions of one rule. Raises TooMuchWork beyond MAX_WORK, except for a single
    unit.
    """
    router = routing.Router(listeners, context, profile_events, received_at, iter(uuid7, None))
    steps = 0
    for profile_event in profile_events:
        if unit(profile_event) != unit(profile_events[0]) and steps + router.work > MAX_WORK:
            raise TooMuchWork(profile_event.reported_id)
        for _ in router.take(profile_event):
            steps += 1
            yield
    if steps + router.work > MAX_WORK and len(_first_events(profile_events, unit)) == 1:
        log.warning(
            "work of one transaction exceeded",
            cause=str(profile_events[0].reported_id),
            work=steps + router.work,
            most=MAX_WORK,
        )
    return router.result


async def record(
    connection: Connection,
    catalogue: Catalogue,
    result: RoutingResult,
    profile_events: Sequence[ProfileEvent],
    received_at: datetime,
    *,
    bulk: bool = False,
) -> None:
    """Record the results; decisions first, so that effects follow on the timeline."""
    if recorded := list_decisions(result, profile_events, received_at):
        await decisions.insert(connection, recorded)
    endings = {id: exit.ending for id, exit in result.exits.items()}
    born = {journey.id for journey in result.entered}
    # Ends come first: they may permit the next journey of the same person, campaign and key.
    if others := [ending for id, ending in endings.items() if id not in born]:
        await journeys.end(connection, others)
    if result.entered:
        await journeys.insert(connection, result.entered, endings, await _positions(connection, catalogue, result))
    if result.conversions:
        await conversions.insert(connection, _conversions(result))
    if messages := _outbox_messages(result, born):
        await outbox.append(connection, messages, bulk=bulk)


async def _positions(connection: Connection, catalogue: Catalogue, result: RoutingResult) -> dict[UUID, Position]:
    """Return the positions of new entries. Only a version's first journey loads it."""
    entered = {(journey.campaign_key, journey.campaign_version) for journey in result.entered}
    plans = {place: (await catalogue.version(connection, *place)).plan for place in sorted(entered)}
    found = {
        journey.id: position_at_entry(plans[journey.campaign_key, journey.campaign_version], journey)
        for journey in result.entered
    }
    return {id: position for id, position in found.items() if position is not None}


def exit_message(workflow_id: str, by: str) -> OutboxMessage:
    """Build the message that ends a journey's workflow."""
    return OutboxMessage(workflow_id, "exit", {"by": by})


async def load_context(
    connection: Connection,
    listeners: Listeners,
    profile_events: Sequence[ProfileEvent],
    received_at: datetime,
    account_ids: Collection[str] = (),
    *,
    leaving: bool = False,
    unit: Unit = by_event,
    find_active: FindActive = journeys.lock_active,
) -> PendingContext:
    """Lock the journeys of locked people and accounts, and request their data.

    `account_ids` are those whose journeys the events may concern. If members are `leaving` them, all journeys of the
    accounts are locked, so that they can be handed over. A caller that records nothing finds them without locks.
    """
    events_of_batch = [profile_event.event for profile_event in profile_events]
    campaigns = listeners.campaigns_concerned(events_of_batch)
    if leaving:
        campaigns |= listeners.of_accounts
    active = await find_active(
        connection, {profile_event.profile_id for profile_event in profile_events}, campaigns, account_ids
    )
    past = None
    if reaching := [profile_event for profile_event in profile_events if listeners.goals(profile_event.event)]:
        each = {profile_event.event.trigger: profile_event.event for profile_event in reaching}
        sought = {place: goal for event in each.values() for place, goal in listeners.goals(event).items()}
        instants = [profile_event.event.timestamp for profile_event in reaching]
        past = await journeys.find_past(
            connection,
            {profile_event.profile_id for profile_event in reaching},
            account_ids,
            [GoalSought(*place, goal.within) for place, goal in sought.items()],
            between=(min(instants), max(instants)),
            limit=MAX_PAST,
        )
    entering = [profile_event for profile_event in profile_events if listeners.entries(profile_event.event)]
    reads_accounts = listeners.may_look_at_accounts or bool(account_ids)
    if not entering:
        return PendingContext(connection, profile_events, unit, reads_accounts, active, past, None, None)
    entrants = {profile_event.profile_id for profile_event in entering}
    versions = listeners.versions_let_in(profile_event.event for profile_event in entering)
    last = await journeys.last_entries(connection, entrants, {version.key for version in versions}, account_ids)
    # Events too old for all of them enter none, and need no history.
    oldest = received_at - timedelta(seconds=max(version.rules.entry.max_age for version in versions))
    others: Collection[UUID] = ()
    if any(version.key in listeners.of_accounts for version in versions):
        others = await accounts.find_member_ids(connection, account_ids, MAX_MEMBERS)
    received = await events.happened_since(
        connection,
        list(entrants.union(others)),
        listeners.triggers_to_match(versions),
        max(oldest, min(profile_event.event.timestamp for profile_event in entering)),
        # In the order of their arrival.
        but=[profile_event.event.id for profile_event in profile_events],
        limit=MAX_RECEIVED + 1 if len(_first_events(profile_events, unit)) > 1 else None,
    )
    return PendingContext(connection, profile_events, unit, reads_accounts, active, past, last, received)


def _conversions(result: RoutingResult) -> list[Conversion]:
    return [
        Conversion(
            journey_id=reached.journey.id,
            profile_id=reached.journey.profile_id,
            campaign_key=reached.journey.campaign_key,
            campaign_version=reached.journey.campaign_version,
            event_id=reached.event.id,
            at=reached.event.timestamp,
        )
        for reached in result.conversions
    ]


def _outbox_messages(result: RoutingResult, born: set[UUID]) -> list[OutboxMessage]:
    """Build the messages to Temporal; a journey that ended within the batch has none."""
    starts = [
        OutboxMessage(
            journey.workflow_id,
            "start",
            {"journey_id": str(journey.id), "campaign": journey.campaign_key, "version": journey.campaign_version},
        )
        for journey in result.entered
        if journey.id not in result.exits
    ]
    matched = [
        OutboxMessage(
            match.journey.workflow_id,
            "matched",
            {
                "subscription": match.subscription,
                "event_id": str(match.event_id),
                "version": match.journey.campaign_version,
            },
        )
        for match in list_told_matches(result)
    ]
    exits = [
        exit_message(exit.journey.workflow_id, str(exit.event.id))
        for id, exit in result.exits.items()
        if id not in born
    ]
    return [*starts, *matched, *exits]
