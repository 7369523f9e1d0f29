"""Events as they were reported, each once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb

from domain.tracking import Event, Reject
from store.database import Connection


class StoredEvent(Struct, frozen=True):
    """An event with the profile it belongs to."""

    profile_id: UUID
    event: Event


# Sorted by id, so that two batches with the same ids wait for each other and never lock crosswise.
_INSERT = """
WITH item AS (
  SELECT * FROM ROWS FROM (jsonb_to_recordset(%(items)s) AS (
    profile_id uuid, message_id text, type text, name text, user_id text, anonymous_id text,
    properties jsonb, context jsonb, timestamp timestamptz)) WITH ORDINALITY AS t(
    profile_id, message_id, type, name, user_id, anonymous_id, properties, context, timestamp, position)
), fresh AS (
  INSERT INTO message_ids (message_id, received_at)
  SELECT message_id, %(received_at)s FROM item ORDER BY message_id
  ON CONFLICT DO NOTHING
  RETURNING message_id
)
INSERT INTO events (
  received_at, message_id, profile_id, type, name, user_id, anonymous_id, properties, context, timestamp)
SELECT %(received_at)s, message_id, profile_id, type, name, user_id, anonymous_id, properties, context, timestamp
FROM item JOIN fresh USING (message_id) ORDER BY position
RETURNING message_id
"""


async def insert(connection: Connection, events: Sequence[StoredEvent], received_at: datetime) -> set[str]:
    """Store the events whose message id was never seen, in the order given; the ids of those that were stored."""
    items = [
        {
            "profile_id": stored.profile_id,
            "message_id": stored.event.message_id,
            "type": stored.event.type,
            "name": stored.event.name,
            "user_id": stored.event.user_id,
            "anonymous_id": stored.event.anonymous_id,
            "properties": stored.event.properties,
            "context": stored.event.context,
            "timestamp": stored.event.timestamp,
        }
        for stored in events
    ]
    cursor = await connection.execute(_INSERT, {"items": Jsonb(items), "received_at": received_at})
    return {row["message_id"] async for row in cursor}


async def tracked_since(
    connection: Connection, profile_ids: Sequence[UUID], names: Sequence[str], since: datetime
) -> list[StoredEvent]:
    """The track events of these profiles with one of these names that happened after an instant."""
    cursor = await connection.execute(
        """
        SELECT profile_id, message_id, type, name, user_id, anonymous_id, properties, context, timestamp
        FROM events
        WHERE profile_id = ANY(%s) AND type = 'track' AND name = ANY(%s) AND timestamp > %s
        ORDER BY timestamp
        """,
        (list(profile_ids), list(names), since),
    )
    return [_stored(row) async for row in cursor]


async def insert_rejects(connection: Connection, rejects: Sequence[Reject], received_at: datetime) -> None:
    """Keep what could not be accepted, for whoever mends the client."""
    await connection.execute(
        """
        INSERT INTO rejects (received_at, position, message_id, error, body)
        SELECT %s, index, message_id, error, body
        FROM jsonb_to_recordset(%s) AS item (index int, message_id text, error text, body text)
        """,
        (received_at, Jsonb(rejects)),
    )


def _stored(row: dict[str, Any]) -> StoredEvent:
    profile_id = row.pop("profile_id")
    return StoredEvent(profile_id, Event(**row))
