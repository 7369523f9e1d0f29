"""Reported events, each stored once."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from domain.tracking.event import ANY, BROWSER_SOURCE, Event, EventType, Trigger, Trust
from domain.tracking.stored_event import StoredEvent
from store.database import Connection, PendingResult
from store.transaction_metrics import Metric

# By its own clock, an event may arrive so long before it happened. Bounds of months are parameters: a computed bound
# would have all partitions locked.
CLOCKS_DIFFER = timedelta(days=1)
# For one profile and name, the events searched for exits and goals that overtook an entry.
MAX_SINCE = 100
# For one person and name, the events in which a sequence is searched.
MAX_STEPS = 1_000
# Events of people that are in memory at once while their history is read.
MAX_HISTORY_PAGE = 5_000


class _Row(Struct, frozen=True, omit_defaults=True, gc=False):
    """An event for INSERT. Default values are left out of the JSON to shorten it."""

    id: UUID
    profile_id: UUID
    source: str
    message_id: str
    type: EventType
    properties: dict[str, Any]
    context: dict[str, Any]
    timestamp: datetime
    name: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    previous_id: str | None = None
    group_id: str | None = None
    reported_timestamp: datetime | None = None
    integrations: dict[str, Any] = {}
    is_history: bool = False
    trust: Trust = Trust.VERIFIED


INSERT = """
WITH item AS (
  SELECT * FROM ROWS FROM (jsonb_to_recordset(%(items)s) AS (
    id uuid, profile_id uuid, source text, message_id text, type text, name text, user_id text, anonymous_id text,
    previous_id text, group_id text, properties jsonb, context jsonb, timestamp timestamptz,
    reported_timestamp timestamptz, integrations jsonb, is_history boolean, trust text)) WITH ORDINALITY AS t(
    id, profile_id, source, message_id, type, name, user_id, anonymous_id, previous_id, group_id, properties, context,
    timestamp, reported_timestamp, integrations, is_history, trust, position)
)
INSERT INTO events (
  received_at, id, source, message_id, profile_id, type, name, user_id, anonymous_id, previous_id, group_id,
  properties, context, timestamp, reported_timestamp, integrations, is_history, trust)
SELECT %(received_at)s, id, source, message_id, profile_id, type, name, user_id, anonymous_id, previous_id, group_id,
       properties, context, timestamp, reported_timestamp, COALESCE(integrations, '{}'), COALESCE(is_history, false),
       COALESCE(trust, 'verified')
FROM item ORDER BY position
"""


async def claim_ids(connection: Connection, batch: Sequence[Event], received_at: datetime) -> PendingResult[set[UUID]]:
    """Claim the message ids of a batch; return the events whose ids are new.

    One event is claimed for each message id. The ids are sorted, so that two batches with the same ids never deadlock.
    """
    ids: dict[str, dict[str, UUID]] = {}
    for event in batch:
        ids.setdefault(event.source, {}).setdefault(_claimed_id(event), event.id)
    cursor = await connection.execute(
        """
        WITH claimed AS (
          INSERT INTO message_ids (source, message_id, event_id, received_at)
          SELECT source, message_id, event_id::uuid, %s
          FROM jsonb_each(%s) AS used (source, ids), jsonb_each_text(ids) AS item (message_id, event_id)
          ORDER BY source, message_id
          ON CONFLICT DO NOTHING RETURNING event_id
        )
        SELECT CASE WHEN count(*) < %s THEN COALESCE(json_agg(event_id), '[]') END AS ids FROM claimed
        """,
        (received_at, Jsonb(ids), len(batch)),
    )

    def claimed(rows: Sequence[DictRow]) -> set[UUID]:
        if rows[0]["ids"] is None:
            return {event.id for event in batch}
        ids = {UUID(id) for id in rows[0]["ids"]}
        for event in batch:
            if event.id not in ids:
                connection.metrics.add(Metric.EVENT, event.type, "duplicate")
        return ids

    return PendingResult(cursor, claimed)


async def release_ids(connection: Connection, events: Sequence[Event]) -> None:
    """Release the claimed message ids of events that are not stored."""
    await connection.execute(
        """
        DELETE FROM message_ids
        WHERE (source, message_id) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
        """,
        ([event.source for event in events], [_claimed_id(event) for event in events]),
    )


def _claimed_id(event: Event) -> str:
    """Return what stands for the message id among those of its source.

    A browser key is public: within it an id is claimed for one visitor, so that no other one's event takes its place.
    """
    if not event.source.startswith(BROWSER_SOURCE):
        return event.message_id
    visitor = f"user {event.user_id}" if event.anonymous_id is None else f"anonymous {event.anonymous_id}"
    return sha256(f"{visitor}\n{event.message_id}".encode()).hexdigest()


# The same of a stored event `own`.
CLAIMED_ID = f"""
CASE WHEN starts_with(own.source, '{BROWSER_SOURCE}')
     THEN encode(sha256(convert_to(COALESCE('anonymous ' || own.anonymous_id, 'user ' || own.user_id)
                                   || chr(10) || own.message_id, 'UTF8')), 'hex')
     ELSE own.message_id END
"""


async def insert(connection: Connection, events: Sequence[StoredEvent], received_at: datetime) -> None:
    """Insert events with claimed ids, in the given order."""
    await connection.execute(INSERT, {"items": Jsonb(rows(events)), "received_at": received_at})
    for type, number in Counter(stored.event.type for stored in events).items():
        connection.metrics.add(Metric.EVENT, type, "accepted", number=number)


def rows(events: Sequence[StoredEvent]) -> list[_Row]:
    """Build the rows for INSERT."""
    # By position: access by name takes twice as long.
    return [
        _Row(
            event.id,
            stored.profile_id,
            event.source,
            event.message_id,
            event.type,
            event.properties,
            event.context,
            event.timestamp,
            event.name,
            event.user_id,
            event.anonymous_id,
            event.previous_id,
            event.group_id,
            event.reported_timestamp,
            event.integrations,
            event.is_history,
            event.trust,
        )
        for stored in events
        for event in (stored.event,)
    ]


async def by_ids(connection: Connection, profile_id: UUID, ids: Sequence[UUID]) -> list[StoredEvent]:
    """Return the events of a profile with these ids."""
    cursor = await connection.execute(
        """
        SELECT id, profile_id, source, message_id, type, name, user_id, anonymous_id, previous_id, group_id,
               properties, context, timestamp, reported_timestamp, integrations, is_history, trust
        FROM events WHERE profile_id = %s AND id = ANY(%s)
        """,
        (profile_id, list(ids)),
    )
    return [as_stored(row) async for row in cursor]


class HistoryPlace(Struct, frozen=True):
    """The place of an event in the history of several people."""

    profile_id: UUID
    recorded_at: datetime
    id: UUID


class HistoryPage(Struct, frozen=True):
    """Events of several people; `next` is None after the last page."""

    events: list[StoredEvent]
    next: HistoryPlace | None


async def find_people(connection: Connection, events: Collection[tuple[datetime, UUID]]) -> dict[UUID, UUID]:
    """Return the profile of each stored event, by its id, for arrivals and ids."""
    cursor = await connection.execute(
        """
        SELECT events.id, profile_id
        FROM events JOIN unnest(%s::timestamptz[], %s::uuid[]) AS item (received_at, id) USING (received_at, id)
        WHERE events.received_at >= %s
        """,
        ([at for at, _ in events], [id for _, id in events], min(at for at, _ in events)),
    )
    return {row["id"]: row["profile_id"] async for row in cursor}


async def history_page(
    connection: Connection,
    profile_ids: Collection[UUID],
    names: Sequence[str] | None,
    since: datetime,
    after: HistoryPlace | None,
) -> HistoryPage:
    """Return events of people by person, with some names or all.

    Unverified events do not count. `since` is before the arrival of all of them: months before are not touched.
    """
    start = after or HistoryPlace(UUID(int=0), datetime.min.replace(tzinfo=UTC), UUID(int=0))
    cursor = await connection.execute(
        """
        SELECT id, profile_id, source, message_id, type, name, user_id, anonymous_id, previous_id, group_id,
               properties, context, timestamp, reported_timestamp, integrations, is_history, trust, recorded_at
        FROM events
        WHERE profile_id = ANY(%(profile_ids)s) AND (%(names)s::text[] IS NULL OR name = ANY(%(names)s))
          AND received_at >= %(since)s AND trust <> 'unverified'
          AND (profile_id, recorded_at, id) > (%(profile_id)s, %(recorded_at)s, %(id)s)
        ORDER BY profile_id, recorded_at, id LIMIT %(limit)s
        """,
        {
            "profile_ids": list(profile_ids),
            "names": None if names is None else list(names),
            "profile_id": start.profile_id,
            "recorded_at": start.recorded_at,
            "id": start.id,
            "since": since,
            "limit": MAX_HISTORY_PAGE,
        },
    )
    rows = await cursor.fetchall()
    places = [HistoryPlace(row["profile_id"], row.pop("recorded_at"), row["id"]) for row in rows[-1:]]
    for row in rows[:-1]:
        del row["recorded_at"]
    is_last = len(rows) < MAX_HISTORY_PAGE
    return HistoryPage([as_stored(row) for row in rows], None if is_last else places[0])


async def latest_by_name(
    connection: Connection,
    profile_ids: Collection[UUID],
    names: Sequence[str] | None,
    since: datetime | None,
    *,
    but: Collection[UUID],
) -> PendingResult[list[StoredEvent]]:
    """Return the last MAX_STEPS events of each name and person, of some names or all.

    An event after an instant also arrived after it, except for CLOCKS_DIFFER. Unverified events do not count.
    """
    cursor = await connection.execute(
        """
        SELECT id, profile_id, source, message_id, type, name, user_id, anonymous_id, previous_id, group_id,
               properties, context, timestamp, reported_timestamp, integrations, is_history, trust
        FROM (
          SELECT *, row_number() OVER (PARTITION BY profile_id, name ORDER BY timestamp DESC, id DESC) AS place
          FROM events
          WHERE profile_id = ANY(%(profile_ids)s) AND (%(names)s::text[] IS NULL OR name = ANY(%(names)s))
            AND trust <> 'unverified'
            AND (%(since)s::timestamptz IS NULL
                 OR timestamp >= %(since)s AND recorded_at > %(arrived)s AND received_at > %(arrived)s)
            AND id <> ALL(%(but)s::uuid[])
        ) AS latest
        WHERE place <= %(each)s
        """,
        {
            "profile_ids": list(profile_ids),
            "names": names,
            "since": since,
            "arrived": since and since - CLOCKS_DIFFER,
            "but": list(but),
            "each": MAX_STEPS,
        },
    )
    return PendingResult(cursor, lambda rows: [as_stored(row) for row in rows])


async def happened_since(
    connection: Connection,
    profile_ids: Sequence[UUID],
    triggers: Collection[Trigger],
    since: datetime,
    *,
    but: Sequence[UUID] = (),
    limit: int | None = None,
) -> PendingResult[list[StoredEvent]]:
    """Return these profiles' events of some triggers after an instant.

    An event after an instant also arrived after it, except for CLOCKS_DIFFER. Events with an impossible clock are
    excluded, since their time is unknown, and unverified ones. For each profile and trigger the last MAX_SINCE events
    are returned: for any later instant that is all of them, or this many. `limit` applies to the total.
    """
    named = [one for one in triggers if one.name != ANY]
    cursor = await connection.execute(
        """
        SELECT id, profile_id, source, message_id, type, name, user_id, anonymous_id, previous_id, group_id,
               properties, context, timestamp, reported_timestamp, integrations, is_history, trust
        FROM (
          SELECT *,
                 is_named AND row_number() OVER of_name <= %(each)s
                   OR is_any AND row_number() OVER of_kind <= %(each)s AS is_latest
          FROM (
            SELECT *, (type, heard_as) IN (SELECT * FROM unnest(%(kinds)s::text[], %(names)s::text[])) AS is_named,
                   type = ANY(%(any)s) AS is_any
            FROM (SELECT *, CASE WHEN type = 'group' THEN group_id ELSE name END AS heard_as FROM events) AS events
            WHERE profile_id = ANY(%(profile_ids)s) AND recorded_at > %(arrived)s
              AND reported_timestamp IS NULL AND trust <> 'unverified'
              AND timestamp > %(since)s AND received_at > %(arrived)s
              AND id NOT IN (SELECT unnest(%(but)s::uuid[]))
          ) AS recent
          WHERE is_named OR is_any
          WINDOW of_name AS (PARTITION BY profile_id, type, heard_as ORDER BY timestamp DESC, id DESC),
                 of_kind AS (PARTITION BY profile_id, type ORDER BY timestamp DESC, id DESC)
        ) AS ranked
        WHERE is_latest
        LIMIT %(limit)s
        """,
        {
            "profile_ids": list(profile_ids),
            "kinds": [one.kind for one in named],
            "names": [one.name for one in named],
            "any": [one.kind for one in triggers if one.name == ANY],
            "since": since,
            "arrived": since - CLOCKS_DIFFER,
            "but": list(but),
            "each": MAX_SINCE,
            "limit": limit,
        },
    )
    return PendingResult(cursor, lambda rows: [as_stored(row) for row in rows])


def as_stored(row: dict[str, Any]) -> StoredEvent:
    """Read a row of events."""
    profile_id = row.pop("profile_id")
    return StoredEvent(profile_id, Event(**{**row, "trust": Trust(row["trust"])}))
