"""Recent records of all users, for `sojourn dev`; a small database needs no index."""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from store.database import Connection
from store.timeline import Recorded


class RecentRecord(Struct, frozen=True):
    """A record of one user, as in the timeline; a message's `at` is its journey's."""

    user: str
    recorded: Recorded


# Branches, actions and the beginning of delays only appear in the user's timeline. A granted message appears with its
# outcome.
_RECENT: Final = """
SELECT recorded.*, journeys.workflow_id, COALESCE(profiles.user_id, recorded.called, '(anonymous)') AS user
FROM (
  SELECT 'event' AS kind, recorded_at, id::text AS key, timestamp AS at, COALESCE(name, type) AS name, type AS outcome,
         NULL AS reason, NULL AS campaign, NULL::uuid AS journey_id, NULL AS step, profile_id,
         COALESCE(user_id, anonymous_id) AS called,
         jsonb_strip_nulls(jsonb_build_object(
           'reported_timestamp', reported_timestamp, 'is_history', NULLIF(is_history, false),
           'trust', NULLIF(trust, 'verified'))) AS data
  FROM events WHERE received_at > %(arrived_after)s AND recorded_at > %(after)s
  UNION ALL
  SELECT kind, recorded_at, id::text, at, NULL, outcome, reason, campaign_key, journey_id, step, profile_id, NULL,
         data || jsonb_strip_nulls(jsonb_build_object('event_id', event_id))
  FROM decisions
  WHERE recorded_at > %(after)s AND kind IN ('entry', 'send', 'skip', 'migrate', 'exit') AND outcome <> 'granted'
  UNION ALL
  SELECT 'message', settled_at, id::text, at, template, state, reason, campaign_key, journey_id, step, profile_id, NULL,
         jsonb_strip_nulls(jsonb_build_object('message_id', id, 'channel', channel, 'detail', detail))
  FROM messages WHERE settled_at > %(after)s
  UNION ALL
  SELECT 'goal', recorded_at, journey_id::text, at,
         concat_ws(' ', NULLIF(rules #>> '{goal,kind}', 'track'), rules #>> '{goal,event}'), 'converted', NULL,
         conversions.campaign_key, journey_id, NULL, profile_id, NULL,
         jsonb_build_object('event_id', event_id, 'arms', arms)
  FROM conversions
  JOIN campaign_versions
    ON campaign_versions.campaign_key = conversions.campaign_key AND version = campaign_version
  WHERE recorded_at > %(after)s
  UNION ALL
  SELECT 'reject', recorded_at, id::text, received_at, NULL, CASE WHEN part IS NULL THEN 'refused' ELSE 'left_out' END,
         NULL, NULL, NULL, NULL, NULL, COALESCE(user_id, anonymous_id), jsonb_build_object('error', error)
  FROM rejects WHERE recorded_at > %(after)s
  UNION ALL
  SELECT 'end', ended_recorded_at, id::text, ended_at, NULL, outcome, NULL, campaign_key, id, NULL, profile_id, NULL,
         '{}'
  FROM journeys WHERE ended_recorded_at > %(after)s AND (state = 'completed' OR outcome IN ('merged', 'account_empty'))
) AS recorded
LEFT JOIN journeys ON journeys.id = recorded.journey_id
LEFT JOIN profiles ON profiles.id = recorded.profile_id
ORDER BY recorded.recorded_at, key
LIMIT %(limit)s
"""
# Events are found by their arrival on the deployment's clock, which may have been moved.
_ARRIVAL_MARGIN: Final = timedelta(hours=1)


async def recording_time(connection: Connection) -> datetime:
    """Return PostgreSQL's own time, by which records are ordered."""
    cursor = await connection.execute("SELECT clock_timestamp() AS now")
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("PostgreSQL did not say what time it is")
    now: datetime = row["now"]
    return now


async def write_position(connection: Connection) -> str:
    """Return PostgreSQL's write position, which changes with every record."""
    cursor = await connection.execute("SELECT pg_current_wal_insert_lsn()::text AS position")
    row = await cursor.fetchone()
    return "" if row is None else str(row["position"])


async def recorded_after(
    connection: Connection, after: datetime, arrived_after: datetime, limit: int
) -> list[RecentRecord]:
    """Return records after an instant of PostgreSQL's own clock, oldest first.

    `arrived_after` is by the deployment's clock: events that arrived an hour before it are not searched.
    """
    cursor = await connection.execute(
        _RECENT, {"after": after, "arrived_after": arrived_after - _ARRIVAL_MARGIN, "limit": limit}
    )
    return [_recent(row) async for row in cursor]


def _recent(row: dict[str, object]) -> RecentRecord:
    user = str(row.pop("user"))
    del row["called"], row["profile_id"]
    return RecentRecord(user, Recorded(**row, changes=[]))  # type: ignore[arg-type]
