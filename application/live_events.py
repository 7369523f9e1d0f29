"""Follow what comes in, and what it does, as a person watches it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from domain.access import Actor
from domain.stream import StreamCursor, StreamPosition, end_of
from store import audit, live_events, stream
from store.database import Database
from store.live_events import REJECTS_OVERLAP, LiveEvent, LiveFilter, LiveReject
from store.stream import Horizon

# The events of one look; others are counted.
MAX_SHOWN: Final = 50
# Rejects among them, the newest, which a flood of events does not hide.
MAX_REJECTS: Final = 10
# An interrupted viewer goes on where it was, if that is not longer ago.
RESUMED_WITHIN: Final = timedelta(minutes=1)
# The rejects of which a viewer remembers that they were counted.
MAX_REMEMBERED: Final = 10_000


class LiveLook(Struct, frozen=True):
    """Rejects and events since the look before, each event with the cursor behind it.

    `left_out` counts further ones, each once, and `next` is the cursor behind all of them.
    """

    events: Sequence[tuple[str | None, LiveEvent]]
    left_out: int
    next: str


class LiveTail:
    """The view of one viewer. Between two looks it costs nothing.

    It begins after a cursor, or with what comes from now on. Rejects come in no strict order: of those of the last
    seconds it remembers which it has shown or counted, by the instants of their arrival.
    """

    def __init__(self, database: Database, which: LiveFilter, after: StreamCursor | None) -> None:
        self._database = database
        self._which = which
        self._after = after
        self._position: StreamPosition | None = None
        self._since: datetime | None = None
        self._seen: dict[int, datetime] = {}

    async def look(self) -> LiveLook:
        """Return what was recorded since the look before. One at a time."""
        async with self._database.snapshot() as connection:
            horizon = await stream.read_horizon(connection)
            position = self._position or self._begin(horizon)
            since = self._since or horizon.at
            rejects = await live_events.read_rejects(connection, since, self._which, self._seen)
            shown = rejects[:MAX_REJECTS]
            room = MAX_SHOWN - len(shown)
            page = await live_events.read_page(connection, position, horizon.xid, self._which, room)

        def cursor(position: StreamPosition) -> str:
            return StreamCursor(horizon.system_identifier, position, horizon.at).encode()

        self._position = max(position, end_of(horizon.xid - 1), key=lambda one: one.place)
        self._since = self._remember(rejects, max(since, horizon.at - REJECTS_OVERLAP))
        found: list[tuple[str | None, LiveEvent]] = [(None, one.event) for one in reversed(shown)]
        # In this order: a viewer that is cut off goes on after the last that it has.
        found += [(cursor(place), event) for place, event in page.events]
        return LiveLook(found, page.left_out + len(rejects) - len(shown), cursor(self._position))

    def _remember(self, rejects: Sequence[LiveReject], since: datetime) -> datetime:
        """Return since when rejects are read next, so that each is counted once.

        A flood of more than can be remembered moves it on; those that commit late are not counted then.
        """
        self._seen.update((one.id, one.event.at) for one in rejects)
        if len(self._seen) > MAX_REMEMBERED:
            since = max(since, sorted(self._seen.values())[-MAX_REMEMBERED - 1])
        self._seen = {id: at for id, at in self._seen.items() if at > since}
        return since

    def _begin(self, horizon: Horizon) -> StreamPosition:
        after = self._after
        if (
            after is not None
            and after.system_identifier == horizon.system_identifier
            and horizon.at - RESUMED_WITHIN < after.given_at <= horizon.at
        ):
            return after.position
        return end_of(horizon.xid - 1)


class LiveEvents:
    """Opens what viewers follow."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record_look(self, user: str | None, *, by: Actor) -> None:
        """Record who follows a person, or all people, in the audit log."""
        async with self._database.transaction() as connection:
            await audit.record_list(connection, by, "live events", user)

    def follow(self, which: LiveFilter, after: StreamCursor | None) -> LiveTail:
        """Follow the events of a filter, after a cursor."""
        return LiveTail(self._database, which, after)
