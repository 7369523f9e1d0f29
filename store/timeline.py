"""All records of one person, in the order of recording."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, structs

from store.database import Connection
from store.inbox import WITHDRAWN


class Recorded(Struct, frozen=True):
    """A record: event, reject, change, decision, message, goal, membership or end.

    `at` is when it happened, by the reporting client's clock; `recorded_at` is the order of recording. `detail` depends
    on the kind. `changes` are the changes of the profile.
    """

    kind: str
    recorded_at: datetime
    key: str
    at: datetime
    name: str | None
    outcome: str | None
    reason: str | None
    campaign: str | None
    journey_id: UUID | None
    workflow_id: str | None
    step: str | None
    data: dict[str, Any]
    changes: list[dict[str, Any]]


# Where a message of the inbox is now: it waits, was given, is withdrawn, or has expired.
_INBOX = f"""(
  SELECT jsonb_strip_nulls(jsonb_build_object(
    'given_at', messages.given_at, 'withdrawn', {WITHDRAWN},
    'has_expired', NULLIF(inbox.expires_at <= clock_timestamp() + clock_ahead(), false)))
  FROM inbox
  JOIN messages ON messages.id = inbox.message_id
  JOIN journeys ON journeys.id = messages.journey_id
  JOIN campaigns ON campaigns.key = journeys.campaign_key
  WHERE inbox.message_id = own_messages.id)
"""  # noqa: S608 -- a constant of the store
# A user may have a million events but few of the others, so only as many as shown are read.
_TIMELINE = f"""
WITH own_ids AS (
  SELECT kind, value FROM identities WHERE profile_id = %(profile_id)s
  UNION ALL SELECT unnest(ARRAY['user', 'anonymous']), %(called)s::text WHERE %(called)s::text IS NOT NULL
),
-- A journey of an account has decisions and messages about its other members as well; `member` names them.
own_decisions AS (
  SELECT decisions.*, CASE WHEN data ? 'role' AND profile_id <> %(profile_id)s THEN
           (SELECT COALESCE(user_id, id::text) FROM profiles WHERE profiles.id = profile_id) END AS member
  FROM decisions WHERE profile_id = ANY(%(profile_ids)s) OR journey_id = %(journey_id)s AND data ? 'role'
),
own_messages AS (
  SELECT messages.*, CASE WHEN profile_id <> %(profile_id)s THEN
           (SELECT COALESCE(user_id, id::text) FROM profiles WHERE profiles.id = profile_id) END AS member
  FROM messages WHERE profile_id = ANY(%(profile_ids)s) OR journey_id = %(journey_id)s
)
SELECT shown.*, changed.changes
FROM (
SELECT recorded.*, journeys.workflow_id
FROM (
  SELECT 'event' AS kind, recorded_at, id::text AS key, timestamp AS at, COALESCE(name, type) AS name,
         type AS outcome, NULL AS reason, NULL AS campaign, NULL::uuid AS journey_id, NULL AS step,
         jsonb_build_object(
           'event_id', id, 'source', source, 'message_id', message_id, 'properties', properties
         ) || jsonb_strip_nulls(jsonb_build_object(
           'reported_timestamp', reported_timestamp, 'is_history', NULLIF(is_history, false),
           'trust', NULLIF(trust, 'verified'),
           'by', context #> '{{sojourn,by}}', 'import', context #> '{{sojourn,import}}')) AS data
  FROM (
    SELECT * FROM events
    WHERE profile_id = %(profile_id)s AND %(journey_id)s::uuid IS NULL
      AND (%(before)s::timestamptz IS NULL OR (recorded_at, id::text) < (%(before)s, %(before_key)s))
    ORDER BY recorded_at DESC, id::text DESC LIMIT %(limit)s
  ) AS events
  UNION ALL
  SELECT 'change', recorded_at, id::text, at, part, part, NULL, NULL, NULL, NULL, jsonb_build_object('by', source_id)
  FROM (
    SELECT * FROM profile_changes
    WHERE profile_id = %(profile_id)s AND %(journey_id)s::uuid IS NULL AND source = 'operator'
      -- Those of an event are on its line.
      AND (source_name IS NULL OR source_id = source_name)
      AND (%(before)s::timestamptz IS NULL OR (recorded_at, id::text) < (%(before)s, %(before_key)s))
    ORDER BY recorded_at DESC, id::text DESC LIMIT %(limit)s
  ) AS changes
  UNION ALL
  SELECT kind, recorded_at, id::text, at, NULL, outcome, reason, campaign_key, journey_id, step,
         data || jsonb_strip_nulls(jsonb_build_object('event_id', event_id, 'member', member))
  FROM own_decisions
  UNION ALL
  -- The journey's clock is ahead where the time of a `sojourn dev` was moved.
  SELECT 'message', settled_at, id::text, greatest(settled_at, at), template, state, reason, campaign_key, journey_id,
         step,
         jsonb_strip_nulls(jsonb_build_object(
           'message_id', id, 'channel', channel, 'category', category, 'attempts', attempts,
           'provider', provider, 'provider_id', provider_id, 'detail', detail, 'member', member,
           'retried_by', retried_by, 'retry_of', retry_of, 'fallback_of', fallback_of,
           'cost', trim_scale(cost / 1000000::numeric) || ' ' || currency,
           'tried', (SELECT jsonb_object_agg(tried.channel, concat_ws(': ', tried.reason, tried.detail))
                     FROM deliveries AS tried
                     WHERE tried.message_id = own_messages.id AND tried.state = 'failed'
                       AND tried.channel NOT IN ('', own_messages.channel)),
           'reports', NULLIF(array_remove(ARRAY[
             CASE WHEN delivered_at IS NOT NULL THEN 'delivered' END, CASE WHEN opened_at IS NOT NULL THEN 'opened' END,
             CASE WHEN clicked_at IS NOT NULL THEN 'clicked' END,
             CASE WHEN bounced_at IS NOT NULL THEN concat_ws(' ', 'bounced', bounce) END,
             CASE WHEN complained_at IS NOT NULL THEN 'complained' END,
             CASE WHEN replied_at IS NOT NULL THEN 'replied' END,
             CASE WHEN dismissed_at IS NOT NULL THEN 'dismissed' END,
             CASE WHEN machine_at IS NOT NULL THEN 'read by a machine' END], NULL), '{{}}'),
           'inbox', {_INBOX}))
  FROM own_messages WHERE settled_at IS NOT NULL
  UNION ALL
  SELECT 'message', COALESCE(claimed_at, reserved_at), id::text, greatest(COALESCE(claimed_at, reserved_at), at),
         template, state, reason, campaign_key, journey_id, step,
         jsonb_strip_nulls(jsonb_build_object(
           'message_id', id, 'channel', channel, 'category', category, 'attempts', attempts, 'provider', provider,
           'detail', detail, 'member', member, 'retry_of', retry_of))
  FROM own_messages WHERE settled_at IS NULL
  UNION ALL
  SELECT 'goal', conversions.recorded_at, conversions.journey_id::text, conversions.at,
         concat_ws(' ', NULLIF(rules #>> '{{goal,kind}}', 'track'), rules #>> '{{goal,event}}'),
         'converted', NULL, conversions.campaign_key, conversions.journey_id, messages.step,
         jsonb_strip_nulls(jsonb_build_object('event_id', event_id, 'message_id', messages.id)) || jsonb_build_object(
           'arms', arms)
  FROM conversions
  JOIN campaign_versions
    ON campaign_versions.campaign_key = conversions.campaign_key AND version = conversions.campaign_version
  -- One that was being handed over when the goal was reached may have come back unsent.
  LEFT JOIN messages ON messages.id = conversions.message_id AND messages.state IN ('sending', 'sent', 'unknown')
  WHERE conversions.profile_id = ANY(%(profile_ids)s)
  UNION ALL
  SELECT 'reject', recorded_at, id::text, received_at, NULL, CASE WHEN part IS NULL THEN 'refused' ELSE 'left_out' END,
         NULL, NULL, NULL, NULL,
         jsonb_build_object('error', error, 'body', body) || jsonb_strip_nulls(jsonb_build_object(
           'event_id', event_id, 'source', source, 'message_id', message_id, 'part', part))
  FROM (
    SELECT * FROM rejects
    WHERE %(journey_id)s::uuid IS NULL AND (
        user_id = ANY(ARRAY(SELECT value FROM own_ids WHERE kind = 'user'))
        OR anonymous_id = ANY(ARRAY(SELECT value FROM own_ids WHERE kind = 'anonymous')))
      AND (%(before)s::timestamptz IS NULL OR (recorded_at, id::text) < (%(before)s, %(before_key)s))
    ORDER BY recorded_at DESC, id::text DESC LIMIT %(limit)s
  ) AS rejects
  UNION ALL
  SELECT 'segment', recorded_at, segment_changes.id::text, at, segments.key,
         CASE WHEN has_joined THEN 'joined' ELSE 'left' END, NULL, NULL, NULL, NULL, cause
  FROM (
    SELECT * FROM segment_changes
    WHERE profile_id = %(profile_id)s AND %(journey_id)s::uuid IS NULL
      AND (%(before)s::timestamptz IS NULL OR (recorded_at, id::text) < (%(before)s, %(before_key)s))
    ORDER BY recorded_at DESC, id::text DESC LIMIT %(limit)s
  ) AS segment_changes
  JOIN segments ON segments.id = segment_id
  UNION ALL
  SELECT 'end', ended_recorded_at, id::text, ended_at, NULL, outcome, NULL, campaign_key, id, NULL, '{{}}'
  FROM journeys
  WHERE profile_id = ANY(%(profile_ids)s) AND (state = 'completed' OR outcome IN ('merged', 'account_empty'))
) AS recorded
LEFT JOIN journeys ON journeys.id = recorded.journey_id
WHERE (%(journey_id)s::uuid IS NULL OR recorded.journey_id = %(journey_id)s)
  AND (%(before)s::timestamptz IS NULL OR (recorded.recorded_at, key) < (%(before)s, %(before_key)s))
ORDER BY recorded.recorded_at DESC, key DESC
LIMIT %(limit)s
) AS shown
-- What an event or a step has changed of the person was written in its transaction. An operator's change has no other
-- entry, and is one.
CROSS JOIN LATERAL (
  SELECT COALESCE(jsonb_agg(jsonb_build_object('part', part, 'source', source, 'changes', changes) ORDER BY id), '[]')
    AS changes
  FROM profile_changes
  WHERE profile_id = %(profile_id)s
    AND (shown.kind IN ('event', 'change') OR shown.data ?| ARRAY['traits', 'stage'])
    AND recorded_at BETWEEN shown.recorded_at - interval '1 minute' AND shown.recorded_at + interval '1 minute'
    AND CASE WHEN shown.kind = 'change' THEN id::text ELSE source_id END = shown.key
) AS changed
ORDER BY shown.recorded_at DESC, shown.key DESC
"""  # noqa: S608 -- constants of the store


def refusal(event: Recorded, campaign: str, data: dict[str, Any]) -> Recorded:
    """Return the refusal of an event by a condition, as if recorded with the event."""
    return structs.replace(
        event, kind="entry", name=None, outcome="refused", reason="condition", campaign=campaign, data=data
    )


async def latest(
    connection: Connection,
    profile_ids: Sequence[UUID],
    limit: int,
    before: tuple[datetime, str] | None,
    *,
    journey_id: UUID | None = None,
    called: str | None = None,
) -> list[Recorded]:
    """Return the latest records, newest first, before (recorded_at, key).

    Without a profile: the rejects of calls that name the id `called`. For one journey: its decisions, messages, goal
    and end, with those of the given members of its account.
    """
    cursor = await connection.execute(
        _TIMELINE,
        {
            "profile_id": profile_ids[0] if profile_ids else None,
            "profile_ids": list(profile_ids),
            "journey_id": journey_id,
            "called": called,
            "limit": limit,
            "before": before[0] if before else None,
            "before_key": before[1] if before else None,
        },
    )
    return [Recorded(**row) async for row in cursor]
