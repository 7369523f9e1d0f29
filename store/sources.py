"""The sources of events, by the counts of the data plan, the keys and the rejects."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from msgspec import Struct, convert

from domain.access import KeyKind
from store.database import Connection

# Rejects of one source that are counted, the latest.
MAX_REJECTS: Final = 1_000


class EventSource(Struct, frozen=True):
    """A source. `kinds` are those of its valid keys, `rejects` counts up to a bound."""

    source: str
    kinds: Sequence[KeyKind]
    today: int
    week: int
    last_seen: datetime | None
    rejects: int
    more_rejects: bool


# No statement of these reads events, and of rejects each reads a bounded number.
SOURCES: Final = """
WITH RECURSIVE seen AS (
  SELECT source, max(last_at) AS last_seen, COALESCE(sum(today), 0)::bigint AS today,
         COALESCE(sum(week), 0)::bigint AS week
  FROM seen_events CROSS JOIN LATERAL (
    SELECT sum(number::bigint) FILTER (WHERE day::date = %(today)s) AS today,
           sum(number::bigint) FILTER (WHERE day::date BETWEEN %(first)s AND %(today)s) AS week
    FROM jsonb_each_text(days) AS each (day, number)) AS counted
  GROUP BY source
), keyed AS (
  SELECT source, array_agg(DISTINCT CASE WHEN is_browser THEN 'browser' ELSE 'server' END) AS kinds
  FROM api_keys
  WHERE (is_browser OR 'ingest' = ANY(scopes)) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
  GROUP BY source
), walked AS (
  (SELECT source FROM rejects ORDER BY source LIMIT 1)
  UNION ALL
  SELECT (SELECT source FROM rejects WHERE rejects.source > walked.source ORDER BY source LIMIT 1)
  FROM walked WHERE walked.source IS NOT NULL
), named AS (
  SELECT source FROM seen UNION SELECT source FROM keyed UNION SELECT source FROM walked WHERE source IS NOT NULL
)
SELECT named.source, COALESCE(kinds, '{}') AS kinds, COALESCE(today, 0) AS today, COALESCE(week, 0) AS week, last_seen,
       least(rejected.number, %(most)s) AS rejects, rejected.number > %(most)s AS more_rejects
FROM named LEFT JOIN seen USING (source) LEFT JOIN keyed USING (source)
CROSS JOIN LATERAL (
  SELECT count(*) AS number FROM (
    SELECT FROM rejects WHERE rejects.source = named.source AND received_at >= %(first)s
    ORDER BY received_at DESC LIMIT %(most)s + 1) AS latest) AS rejected
ORDER BY named.source
"""


async def read_all(connection: Connection, first: date, today: date) -> list[EventSource]:
    """Return all sources with their events and rejects of some days, by name."""
    cursor = await connection.execute(SOURCES, {"first": first, "today": today, "most": MAX_REJECTS})
    return [convert(row, EventSource) for row in await cursor.fetchall()]
