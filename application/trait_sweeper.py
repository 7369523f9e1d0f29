"""Report the changes of computed traits that time alone makes."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from msgspec import Struct
from msgspec.structs import replace

from application.catalogue import Catalogue
from application.derived_events import CausedChange, report_caused
from domain.journey.listeners import Listeners
from domain.long_work import TooMuchWork
from domain.people.computed.changes import JUST_BEFORE, list_changes
from domain.people.computed.deployed import DeployedTraits
from domain.people.computed.due import find_next_look
from domain.people.derived_events import Cause
from domain.people.profile_state import Source
from store import audience, campaigns, computed_traits, operations, profile_states, profiles
from store.database import Connection, Database
from store.operations import Operation, Page
from store.profile_states import StateRow
from store.profiles import Profile

# People of one transaction: their events wait meanwhile, for some 60 ms.
PAGE = 500


class SweepResult(Struct, frozen=True):
    """The number of people looked at, and the seconds by which the first was late.

    `seconds` is how soon the next is due, None if there is none; 0 if others may be due.
    """

    number: int
    late: float
    seconds: float | None


@dataclass(slots=True)
class Sweeper:
    """Looks at people when watched traits may have changed; any number may run."""

    database: Database
    catalogue: Catalogue
    # The revision of the registry whose watched traits are known to be armed.
    armed: int = -1
    name: str = "computed traits"

    async def sweep(self) -> SweepResult:
        """Look at the people who are due, one page of them in one transaction."""
        async with self.database.transaction() as connection:
            revision, due_at = await profile_states.next_due(connection)
        now = self.database.clock.now()
        if self.armed == revision and (due_at is None or due_at > now):
            return SweepResult(0, 0.0, None if due_at is None else (due_at - now).total_seconds())
        limit = PAGE
        while True:
            try:
                number = await self._page(now, limit)
                break
            except TooMuchWork:
                limit //= 2
        return SweepResult(number, 0.0 if due_at is None else max(0.0, (now - due_at).total_seconds()), 0.0)

    async def _page(self, now: datetime, limit: int) -> int:
        async with self.database.transaction() as connection:
            revision = await campaigns.lock_registry_shared(connection)
            listeners = await self.catalogue.listeners_at(connection, revision)
            traits = await self.catalogue.computed_at(connection, revision)
            await _arm(connection, listeners, traits)
            number = await self._report(connection, listeners, traits, now, limit)
        self.armed = revision
        return number

    async def _report(
        self, connection: Connection, listeners: Listeners, traits: DeployedTraits, now: datetime, limit: int
    ) -> int:
        """Report the changes of due people; skip those that another transaction locks."""
        candidates = await profile_states.find_due(connection, now, limit)
        people = await profiles.lock_free(connection, candidates)
        found = await (await profile_states.read(connection, people.keys())).get()
        due = {id: row for id, row in found.items() if row.next_at is not None and row.next_at <= now}
        names = await audience.anonymous_ids(connection, [id for id in due if people[id].user_id is None])
        changes: list[CausedChange] = []
        rows: dict[UUID, StateRow] = {}
        for id, row in due.items():
            changes += _list_changes(people[id], names.get(id), row, listeners.watched_traits, traits, now)
            rows[id] = replace(row, next_at=find_next_look(traits, row.state, None, listeners.watched_traits, now))
        if rows:
            await profile_states.write(connection, rows)
        await report_caused(connection, self.catalogue, changes)
        return len(candidates)


def _list_changes(
    person: Profile,
    anonymous_id: str | None,
    row: StateRow,
    watched: Collection[str],
    traits: DeployedTraits,
    now: datetime,
) -> list[CausedChange]:
    """Return the changes since just before the person was due."""
    if row.next_at is None:
        return []
    before, after = traits.read(row.state, row.next_at - JUST_BEFORE, watched), traits.read(row.state, now, watched)
    due = row.next_at.isoformat()
    cause = Cause(uuid5(person.id, due), person.user_id, anonymous_id, now)
    source = Source("event", str(cause.id), now)
    return [(person.id, change, cause) for change in list_changes(before, after, source, traits)]


async def _arm(connection: Connection, listeners: Listeners, traits: DeployedTraits) -> None:
    """Request a look at all people if campaigns have begun to watch a trait.

    An event of a person meanwhile finds the instant itself.
    """
    watched = [one.id for one in traits.definitions if one.key in listeners.watched_traits & traits.ready.types.keys()]
    if await computed_traits.mark_watched(connection, watched):
        await operations.insert_for_deployment(connection, "watch", {}, requested_by="sojourn")


class WatchHandler:
    """Finds for each person when a watched trait may change.

    It is requested when campaigns begin to watch a trait.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def total(self, connection: Connection, operation: Operation) -> int:
        """Count the people with a state."""
        return await profile_states.count(connection)

    async def page(self, connection: Connection, operation: Operation) -> Page:
        """Set the next look at the next people."""
        revision = await campaigns.lock_registry_shared(connection)
        watched = (await self._catalogue.listeners_at(connection, revision)).watched_traits
        traits = await self._catalogue.computed_at(connection, revision)
        ids = await profile_states.ids_after(connection, operation.cursor, PAGE)
        locked = await (await profiles.lock(connection, ids)).get()
        now = connection.clock.now()
        rows: dict[UUID, StateRow] = {}
        for id, row in (await (await profile_states.read(connection, locked.keys())).get()).items():
            if row.next_at is not None and row.next_at <= now:
                # The sweeper reports what has changed since.
                continue
            next_at = find_next_look(traits, row.state, row.next_at, watched, now)
            if next_at != row.next_at:
                rows[id] = replace(row, next_at=next_at)
        if rows:
            await profile_states.write(connection, rows)
        return Page(ids[-1] if ids else operation.cursor, done=len(ids), is_last=len(ids) < PAGE)
