"""Report what time alone changes: computed traits, and who is in a segment."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from application.catalogue import Catalogue
from application.people_due import report_time
from domain.journey.listeners import Listeners
from domain.long_work import TooMuchWork
from domain.people.computed.deployed import DeployedTraits
from domain.people.computed.due import find_next_look
from domain.people.computed.state_row import StateRow
from store import campaigns, computed_traits, operations, profile_states, profiles
from store.database import Connection, Database
from store.operations import Operation, Page

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
    """Looks at people when time may have changed them; any number may run."""

    database: Database
    catalogue: Catalogue
    # The revision of the registry whose watched traits are known to be armed.
    armed: int = -1
    name: str = "people"

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
                if limit == 1:
                    raise
                limit //= 2
        return SweepResult(number, 0.0 if due_at is None else max(0.0, (now - due_at).total_seconds()), 0.0)

    async def _page(self, now: datetime, limit: int) -> int:
        async with self.database.transaction() as connection:
            revision = await campaigns.lock_registry_shared(connection)
            listeners = await self.catalogue.listeners_at(connection, revision)
            await _arm(connection, listeners, await self.catalogue.computed_at(connection, revision))
            candidates = await profile_states.find_due(connection, now, limit)
            # Those that another transaction locks are taken in the next round.
            people = await profiles.lock_free(connection, candidates)
            await report_time(connection, self.catalogue, revision, people, now)
        self.armed = revision
        return len(candidates)


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
