"""Report changed traits of an account to its other members, page by page."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, convert, to_builtins

from application.accounts import ChangeOfAccount
from application.catalogue import Catalogue
from application.derived_events import CausedChange, report_caused
from domain.journey.listeners import Listeners
from domain.people.derived_events import Cause, ValueChange, cause_of
from domain.people.profile_state import Source
from domain.tracking.event import SOJOURN_SOURCE, Event, Trigger, Trust
from store import accounts, audience, campaigns, operations, profiles
from store.database import Connection
from store.operations import Operation, Page
from store.profiles import Profile

# Members of one transaction: their events wait meanwhile.
MEMBERS = 100


class AnnouncedChange(Struct, frozen=True):
    """A changed trait, and the event of the member who heard of it at once."""

    name: str
    before: Any
    after: Any
    event_id: UUID
    member: UUID
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
    connection: Connection, listeners: Listeners, events: Iterable[Event], changes: Sequence[ChangeOfAccount]
) -> None:
    """Request the report of changes to other members, if journeys of people listen."""
    heard = [one for one in changes if listeners.concern_people(one.change.trigger)]
    if not heard:
        return
    by_id = {str(event.id): event for event in events}
    of_account: dict[str, list[ChangeOfAccount]] = {}
    for one in heard:
        of_account.setdefault(one.account_id, []).append(one)
    for account_id in sorted(await accounts.find_shared(connection, of_account)):
        found = [_describe(one, by_id[one.change.source.id]) for one in of_account[account_id]]
        parameters: dict[str, Any] = to_builtins(AnnounceParameters(account_id, found))
        await operations.insert_for_deployment(connection, "announce", parameters, requested_by=SOJOURN_SOURCE)


def _describe(one: ChangeOfAccount, event: Event) -> AnnouncedChange:
    cause = cause_of(event)
    return AnnouncedChange(
        name=str(one.change.trigger.name),
        before=one.change.before,
        after=one.change.after,
        event_id=event.id,
        member=one.profile_id,
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
        people = await (await profiles.lock(connection, ids)).get()
        # Who has left, or was merged, since the page was read hears of the account no more.
        still = people.keys() & await accounts.filter_members(connection, parameters.account_id, people)
        names = await audience.anonymous_ids(connection, still)
        changes = list(_list_changes(parameters, [people[id] for id in sorted(still)], names))
        await report_caused(connection, self._catalogue, changes, is_echo=True)
        return Page(
            cursor=ids[-1] if ids else operation.cursor,
            done=len(still),
            counts={"members": len(still)},
            is_last=len(members) < MEMBERS,
        )


def _list_changes(
    parameters: AnnounceParameters, people: Collection[Profile], names: dict[UUID, str]
) -> Iterable[CausedChange]:
    for one in parameters.changes:
        trigger = Trigger("changed", one.name)
        source = Source("event", str(one.event_id), one.timestamp)
        change = ValueChange(trigger, one.before, one.after, source)
        for person in people:
            if person.id == one.member:
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
