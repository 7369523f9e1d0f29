"""The data plan: which events and properties are reported."""

from collections.abc import Collection, Sequence
from typing import Final

from domain.data_plan.seen import MAX_NAMES, SeenEvent, SeenKey, add_event, key_of, rest_of
from domain.stream import StreamKind
from store import seen
from store.database import Connection, Database
from store.seen import StoredSeen
from store.stream import StreamedEvent, StreamRow

_EVENTS: Final[tuple[StreamKind, ...]] = ("event",)


class DataPlanConsumer:
    """Counts events and properties behind ingest, which it costs nothing."""

    name = "data-plan"
    kinds: Collection[StreamKind] = _EVENTS

    async def consume(self, connection: Connection, rows: Sequence[StreamRow]) -> None:
        """Count the events of a page. Only one transaction at a time does this."""
        reported = [(key_of(row.event), row) for row in rows if isinstance(row, StreamedEvent)]
        wanted = {key for key, _ in reported}
        known = await seen.load(connection, wanted | {rest_of(key) for key in wanted})
        names = await seen.count_names(connection) if wanted - known.keys() else {}
        changed: dict[SeenKey, SeenEvent] = {}
        for key, row in reported:
            if key not in known and not key.is_rest:
                place = (key.source, key.type)
                if names.get(place, 0) >= MAX_NAMES:
                    key = rest_of(key)
                else:
                    names[place] = names.get(place, 0) + 1
            known[key] = changed[key] = add_event(
                known.get(key), row.event, row.profile_id, row.received_at, is_rest=key.is_rest
            )
        await seen.write(connection, changed)


class DataPlan:
    """Reads the data plan."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_seen(
        self,
        *,
        limit: int,
        after: SeenKey | None = None,
        source: str | None = None,
        type: str | None = None,
        name: str | None = None,
    ) -> list[StoredSeen]:
        """Return events with their properties, by source, type and name."""
        async with self._database.transaction() as connection:
            return await seen.page(connection, limit=limit, after=after, source=source, type=type, name=name)
