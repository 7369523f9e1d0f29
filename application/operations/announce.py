"""Report changed traits of an account to its other members, page by page."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, convert, to_builtins
from msgspec.structs import replace

from application.accounts import ChangeOfAccount
from application.catalogue import Catalogue
from application.derived_events import JudgeRequest, judge_people, report_caused
from application.settled_people import SettledPeople, settle_people
from domain.journey.listeners import Listeners
from domain.long_work import TooMuchWork
from domain.people.derived_events import Cause, CausedChange, ValueChange, cause_of
from domain.people.profile import Profile
from domain.people.profile_state import Source
from domain.people.segments.deployed import DeployedSegments
from domain.people.segments.inputs import ACCOUNT
from domain.tracking.event import SOJOURN_SOURCE, Event, Trigger, Trust
from store import accounts, audience, campaigns, events, operations, profiles
from store.database import Connection
from store.operations import Operation, Page

# Members of one transaction: their events wait meanwhile.
MEMBERS = 100
# Changes of one operation: each is an event of every member of the page.
CHANGES = 20


class AnnouncedChange(Struct, frozen=True):
    """A changed trait, and the event whose person heard of it at once.

    It names no person: it may outlive one who is erased.
    """

    name: str
    before: Any
    after: Any
    event_id: UUID
    received_at: datetime
    timestamp: datetime
    reported_timestamp: datetime | None
    is_history: bool
    trust: Trust
    context: dict[str, Any]


class AnnounceParameters(Struct, frozen=True):
    """The account, and its changes in their order."""

    account_id: str
    changes: list[AnnouncedChange]


async def announce(
    connection: Connection,
    listeners: Listeners,
    segments: DeployedSegments,
    reported: Iterable[Event],
    changes: Sequence[ChangeOfAccount],
    received_at: datetime,
) -> None:
    """Request the report of changes to other members, if journeys or segments listen."""
    heard = [one for one in changes if segments.reads_accounts or listeners.concern_people(one.change.trigger)]
    if not heard:
        return
    by_id = {str(event.id): event for event in reported}
    of_account: dict[str, list[ChangeOfAccount]] = {}
    for one in heard:
        of_account.setdefault(one.account_id, []).append(one)
    shared = await accounts.find_shared(connection, of_account)
    found = {id: [_describe(one, by_id[one.change.source.id], received_at) for one in of_account[id]] for id in shared}
    if found:
        requested: dict[str, list[Any]] = to_builtins(found)
        await operations.announce(connection, requested, CHANGES, requested_by=SOJOURN_SOURCE)


def _describe(one: ChangeOfAccount, event: Event, received_at: datetime) -> AnnouncedChange:
    cause = cause_of(event)
    return AnnouncedChange(
        name=str(one.change.trigger.name),
        before=one.change.before,
        after=one.change.after,
        event_id=event.id,
        received_at=received_at,
        timestamp=cause.timestamp,
        reported_timestamp=cause.reported_timestamp,
        is_history=cause.is_history,
        trust=cause.trust,
        context=dict(cause.context),
    )


class AnnounceHandler:
    """Reports changes of an account to its other members."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def total(self, connection: Connection, operation: Operation) -> int | None:
        """Leave the number of members unknown: people join and leave meanwhile."""

    async def page(self, connection: Connection, operation: Operation) -> Page:
        """Report to the next members. Each hears of a change once."""
        parameters = convert(operation.parameters, AnnounceParameters)
        await campaigns.lock_registry_shared(connection)
        members = await accounts.page_of_members(
            connection, parameters.account_id, role=None, limit=MEMBERS, after=operation.cursor
        )
        ids = [member.profile_id for member in members]
        taken = ids
        while True:
            try:
                async with connection.transaction():
                    number = await self._report(connection, parameters, taken)
                break
            except TooMuchWork:
                if len(taken) == 1:
                    raise
                taken = taken[: len(taken) // 2]
        is_last = len(members) < MEMBERS and len(taken) == len(ids)
        if is_last:
            await operations.delete(connection, operation.id)
        return Page(
            cursor=taken[-1] if taken else operation.cursor, done=number, counts={"members": number}, is_last=is_last
        )

    async def _report(self, connection: Connection, parameters: AnnounceParameters, ids: Sequence[UUID]) -> int:
        """Report to some people; return how many of them are members."""
        people = await (await profiles.lock(connection, ids)).get()
        # Who has left, or was merged, since the page was read hears of the account no more.
        still = people.keys() & await accounts.filter_members(connection, parameters.account_id, people)
        names = await audience.anonymous_ids(connection, still)
        heard = {(one.received_at, one.event_id) for one in parameters.changes}
        changes = list(
            _list_changes(
                parameters, [people[id] for id in sorted(still)], names, await events.find_people(connection, heard)
            )
        )
        # Together: the accounts that joins and leaves concern are locked before any journey.
        settled = await settle_people(connection, self._catalogue, still)
        judged = await self._judge(connection, changes, settled)
        await report_caused(connection, self._catalogue, [*settled.changes, *judged], changes)
        return len(still)

    async def _judge(
        self, connection: Connection, changes: Sequence[CausedChange], settled: SettledPeople
    ) -> list[CausedChange]:
        """Judge the members by the segments that read accounts."""
        affected = (await self._catalogue.load_segments(connection)).find_affected([ACCOUNT])
        last = {id: (change, cause) for id, change, cause in changes}
        requests = {
            id: JudgeRequest(affected, replace(cause, listener=id), change.source)
            for id, (change, cause) in last.items()
        }
        return await judge_people(connection, self._catalogue, requests, settled)


def _list_changes(
    parameters: AnnounceParameters,
    people: Collection[Profile],
    names: Mapping[UUID, str],
    heard_by: Mapping[UUID, UUID],
) -> Iterable[CausedChange]:
    for one in parameters.changes:
        trigger = Trigger("changed", one.name)
        source = Source("event", str(one.event_id), one.timestamp)
        change = ValueChange(trigger, one.before, one.after, source)
        for person in people:
            if person.id == heard_by.get(one.event_id):
                continue
            cause = Cause(
                one.event_id,
                person.user_id,
                names.get(person.id),
                one.timestamp,
                one.reported_timestamp,
                one.is_history,
                one.context,
                one.trust,
                parameters.account_id,
                listener=person.id,
            )
            yield person.id, change, cause
