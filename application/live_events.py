"""Follow what comes in, and what it does, as a person watches it."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from domain.access import Actor
from domain.stream import StreamCursor, StreamPosition, end_of
from store import audit, live_events, stream
from store.database import Database
from store.live_events import REJECTS_OVERLAP, LiveEvent, LiveFilter
from store.stream import Horizon

# The events of one look; others are counted.
MAX_SHOWN: Final = 50
# Rejects among them, which a flood of events does not hide. Further ones are of the next look.
MAX_REJECTS: Final = 10
# An interrupted viewer goes on where it was, if that is not longer ago.
RESUMED_WITHIN: Final = timedelta(minutes=1)
MAX_REMEMBERED: Final = 20 * MAX_SHOWN


class LiveLook(Struct, frozen=True):
    """Rejects and events since the look before, each event with the cursor behind it.

    `left_out` counts further events, and `next` is the cursor behind all of them.
    """

    events: Sequence[tuple[str | None, LiveEvent]]
    left_out: int
    next: str


class LiveTail:
    """The view of one viewer. Between two looks it costs nothing.

    It begins after a cursor, or with what comes from now on. Rejects come in no strict order: of those of the last
    seconds it remembers which it has shown.
    """

    def __init__(self, database: Database, which: LiveFilter, after: StreamCursor | None) -> None:
        self._database = database
        self._which = which
        self._after = after
        self._position: StreamPosition | None = None
        self._since: datetime | None = None
        self._shown: OrderedDict[int, None] = OrderedDict()

    async def look(self) -> LiveLook:
        """Return what was recorded since the look before. One at a time."""
        async with self._database.snapshot() as connection:
            horizon = await stream.read_horizon(connection)
            position = self._position or self._begin(horizon)
            since = self._since or horizon.at
            rejects = await live_events.read_rejects(connection, since, self._which, list(self._shown), MAX_REJECTS)
            room = MAX_SHOWN - len(rejects)
            page = await live_events.read_page(connection, position, horizon.xid, self._which, room)

        def cursor(position: StreamPosition) -> str:
            return StreamCursor(horizon.system_identifier, position, horizon.at).encode()

        self._position = max(position, end_of(horizon.xid - 1), key=lambda one: one.place)
        self._since = max(since, horizon.at - REJECTS_OVERLAP)
        for one in rejects:
            self._shown[one.id] = None
        while len(self._shown) > MAX_REMEMBERED:
            self._shown.popitem(last=False)
        found: list[tuple[str | None, LiveEvent]] = [(None, one.event) for one in rejects]
        # In this order: a viewer that is cut off goes on after the last that it has.
        found += [(cursor(place), event) for place, event in page.events]
        return LiveLook(found, page.left_out, cursor(self._position))

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
