"""Refused calls, and parts left out of accepted ones, kept for a while."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb

from domain.tracking.event import Reject
from domain.tracking.rejects import Unrecorded
from store.database import Connection
from store.transaction_metrics import Metric


class StoredReject(Struct, frozen=True):
    """A stored reject. `unrecorded` counts further ones of its request."""

    id: int
    received_at: datetime
    position: int
    source: str
    event_id: UUID | None
    message_id: str | None
    user_id: str | None
    anonymous_id: str | None
    part: str | None
    error: str
    body: str
    unrecorded: int


async def insert(
    connection: Connection, rejects: Sequence[Reject], unrecorded: Unrecorded, received_at: datetime
) -> None:
    """Insert the rejects of a request. The last row has the number of further ones."""
    await connection.execute(
        """
        INSERT INTO rejects (
          received_at, position, source, event_id, message_id, user_id, anonymous_id, part, error, body, unrecorded)
        SELECT %s, index, source, event_id, message_id, user_id, anonymous_id, part, error, body,
               CASE WHEN place = %s THEN %s ELSE 0 END
        FROM ROWS FROM (jsonb_to_recordset(%s) AS (
               index int, source text, event_id uuid, message_id text, user_id text, anonymous_id text, part text,
               error text, body text))
             WITH ORDINALITY AS item (
               index, source, event_id, message_id, user_id, anonymous_id, part, error, body, place)
        ORDER BY place
        """,
        (received_at, len(rejects), unrecorded.number, Jsonb(rejects)),
    )
    if refused := sum(reject.part is None for reject in rejects) + unrecorded.calls:
        connection.metrics.add(Metric.EVENT, "", "rejected", number=refused)


async def page(
    connection: Connection,
    *,
    limit: int,
    after: int | None,
    user_id: str | None,
    source: str | None,
    is_part: bool | None,
) -> list[StoredReject]:
    """Return rejects, newest first, below the id `after`, by the given filters."""
    cursor = await connection.execute(
        """
        SELECT id, received_at, position, source, event_id, message_id, user_id, anonymous_id, part, error, body,
               unrecorded
        FROM rejects
        WHERE (%(after)s::bigint IS NULL OR id < %(after)s)
          AND (%(user_id)s::text IS NULL OR user_id = %(user_id)s OR anonymous_id = %(user_id)s)
          AND (%(source)s::text IS NULL OR source = %(source)s)
          AND (%(is_part)s::boolean IS NULL OR (part IS NOT NULL) = %(is_part)s)
        ORDER BY id DESC LIMIT %(limit)s
        """,
        {"after": after, "user_id": user_id, "source": source, "is_part": is_part, "limit": limit},
    )
    return [StoredReject(**row) async for row in cursor]
