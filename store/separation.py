"""Undo of a merge: rows go back to the profile whose ids they carry."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb

from domain.people.identity import Identity
from domain.tracking.event import SOJOURN_SOURCE, Event, Trust
from store.arms import IS_ARM
from store.database import Connection
from store.events import CLOCKS_DIFFER
from store.merges import Merge
from store.tables.people import profiles

_RESTORE = """
UPDATE profiles SET ({columns}) = (
  SELECT {columns} FROM jsonb_populate_record(profiles, (SELECT snapshot -> %(part)s FROM profile_merges
                                                         WHERE source_id = %(source)s)))
WHERE id = %(id)s
"""
_RESTORE_ALL = _RESTORE.format(columns=", ".join(column.name for column in profiles.columns))
# The columns that a merge writes.
_RESTORE_MERGED = _RESTORE.format(
    columns="traits, consent, suppressed, preferences, context, claims, said, addresses, stage, bucket, created_at, "
    "updated_at"
)


async def restore(connection: Connection, merge: Merge) -> None:
    """Insert the merged profile as it was; newer columns have their defaults."""
    await connection.execute("INSERT INTO profiles (id) VALUES (%s)", (merge.source_id,))
    await connection.execute(_RESTORE_ALL, {"part": "source", "source": merge.source_id, "id": merge.source_id})


async def restore_target(connection: Connection, merge: Merge) -> bool:
    """Make the target as it was, if nothing has written it since; return whether."""
    cursor = await connection.execute(
        "SELECT updated_at FROM profiles WHERE id = %s AND updated_at = %s", (merge.target_id, merge.at)
    )
    if await cursor.fetchone() is None:
        return False
    await connection.execute(_RESTORE_MERGED, {"part": "target", "source": merge.source_id, "id": merge.target_id})
    return True


async def restore_bucket(connection: Connection, merge: Merge, *, is_oldest_known: bool) -> None:
    """Give the target its own bucket back, unless it has taken an arm by this one.

    Its creation is that of its oldest profile again if nothing else was merged into it since.
    """
    await connection.execute(
        f"""
        UPDATE profiles
        SET created_at = CASE WHEN %(is_oldest_known)s THEN before.created_at ELSE profiles.created_at END,
            bucket = CASE WHEN EXISTS (
              SELECT FROM journeys JOIN decisions ON decisions.journey_id = journeys.id
              WHERE journeys.profile_id = profiles.id AND {IS_ARM}) THEN profiles.bucket ELSE before.bucket END
        FROM profile_merges CROSS JOIN jsonb_to_record(snapshot -> 'target') AS before (
          created_at timestamptz, bucket uuid)
        WHERE source_id = %(source)s AND profiles.id = %(id)s
        """,  # noqa: S608 -- a constant
        {"is_oldest_known": is_oldest_known, "source": merge.source_id, "id": merge.target_id},
    )


async def identities_since(connection: Connection, merge: Merge, own: Collection[Identity]) -> set[Identity]:
    """Return the identities that calls with these ids added since the merge."""
    cursor = await connection.execute(
        """
        WITH caused AS (
          SELECT changes, events.anonymous_id, events.previous_id
          FROM profile_changes JOIN events ON events.id::text = source_id
          WHERE profile_changes.profile_id = %(id)s AND part = 'identity' AND profile_changes.recorded_at >= %(at)s
            AND events.profile_id = %(id)s AND events.received_at >= %(since)s
            AND (events.user_id = ANY(%(user_ids)s)
                 OR events.user_id IS NULL AND events.anonymous_id = ANY(%(anonymous_ids)s))
        )
        SELECT linked.kind, linked.value FROM caused CROSS JOIN LATERAL jsonb_to_recordset(
          COALESCE(changes -> 'linked', '[]')) AS linked (kind text, value text) WHERE linked.kind <> 'user'
        UNION SELECT 'anonymous', anonymous_id FROM caused WHERE changes ? 'merged' AND anonymous_id IS NOT NULL
        UNION SELECT 'anonymous', previous_id FROM caused WHERE changes ? 'merged' AND previous_id IS NOT NULL
        """,
        {
            "id": merge.target_id,
            "at": merge.at,
            "since": merge.at - CLOCKS_DIFFER,
            "user_ids": [one.value for one in own if one.kind == "user"],
            "anonymous_ids": [one.value for one in own if one.kind == "anonymous"],
        },
    )
    return {Identity(row["kind"], row["value"]) async for row in cursor}


_MINE = """
(user_id = ANY(%(user_ids)s) OR user_id IS NULL AND anonymous_id = ANY(%(anonymous_ids)s))
"""
_RETURN_EVENTS = f"""
UPDATE events SET profile_id = %(source)s
WHERE profile_id = %(target)s AND {_MINE}
  AND received_at >= %(first)s
"""  # noqa: S608 -- a constant
# As an event says it: the entry holds one, also that of an audience.
_RETURN_JOURNEYS = f"""
UPDATE journeys SET profile_id = %(source)s
WHERE id = ANY(ARRAY(
  SELECT id FROM journeys
  CROSS JOIN LATERAL jsonb_to_record(entry) AS entered (user_id text, anonymous_id text)
  WHERE profile_id = %(target)s
    -- One of an account may have begun with another person.
    AND CASE WHEN account_id IS NOT NULL AND recorded_at < %(at)s THEN id = ANY(%(journeys)s) ELSE {_MINE} END
  ORDER BY id FOR UPDATE OF journeys))
"""  # noqa: S608 -- a constant
_RETURN_OF_JOURNEYS = """
UPDATE {table} AS owned SET profile_id = %(source)s
FROM journeys WHERE owned.profile_id = %(target)s AND owned.journey_id = journeys.id
  AND journeys.profile_id = %(source)s {and_of_people}
"""
# The journey of an account concerns several people.
_OF_PEOPLE = "AND journeys.account_id IS NULL"
_RETURN_OF_ACCOUNTS = """
UPDATE {table} SET profile_id = %(source)s WHERE profile_id = %(target)s AND id = ANY(%({table})s)
"""
_RETURN_OF_MESSAGES = """
UPDATE {table} AS owned SET profile_id = %(source)s
FROM messages WHERE owned.profile_id = %(target)s AND messages.id = owned.message_id
  AND messages.profile_id = %(source)s
"""
# Reports about messages of anonymous people and of accounts name the person as they are called since the merge.
_RETURN_REPORTS = f"""
UPDATE events SET profile_id = %(source)s
WHERE profile_id = %(target)s AND source = '{SOJOURN_SOURCE}' AND received_at >= %(since)s
  AND properties ->> 'message_id' IN (SELECT id::text FROM messages WHERE messages.profile_id = %(source)s)
"""  # noqa: S608 -- a constant
_RETURN_DECISIONS = """
UPDATE decisions SET profile_id = %(source)s
WHERE profile_id = %(target)s AND journey_id IS NULL AND (id = ANY(%(decisions)s) OR event_id IN (
  SELECT id::text FROM events WHERE events.profile_id = %(source)s AND received_at >= %(since)s))
"""
_RETURN_CHANGES = """
UPDATE profile_changes SET profile_id = %(source)s
WHERE profile_id = %(target)s AND (id = ANY(%(changes)s) OR recorded_at >= %(at)s AND source_id IN (
  SELECT id::text FROM events WHERE events.profile_id = %(source)s AND received_at >= %(since)s
  UNION ALL SELECT id::text FROM decisions WHERE decisions.profile_id = %(source)s AND decisions.recorded_at >= %(at)s))
"""
_RETURN_MEMBERSHIPS = """
UPDATE segment_changes SET profile_id = %(source)s WHERE profile_id = %(target)s AND id = ANY(%(memberships)s)
"""
# Those that were registered since follow by the events that registered them.
_RETURN_DEVICES = """
UPDATE device_addresses SET profile_id = %(source)s WHERE profile_id = %(target)s AND value = ANY(%(devices)s)
"""
_RETURN_HOLDS = """
UPDATE holds SET profile_id = %(source)s
WHERE profile_id = %(target)s
  AND (id_kind = 'profile' AND id_value = %(source)s::text
       OR EXISTS (SELECT FROM identities
                  WHERE identities.profile_id = %(source)s AND kind = id_kind AND value = id_value))
"""
_RETURN_MERGES = """
WITH RECURSIVE mine AS (
  SELECT source_id FROM profile_merges WHERE target_id = %(source)s
  UNION SELECT source_id FROM profile_merges
        WHERE profile_id = %(target)s AND at >= %(at)s AND merged_by IN (
          SELECT id::text FROM events WHERE events.profile_id = %(source)s AND received_at >= %(since)s)
  UNION SELECT profile_merges.source_id FROM profile_merges JOIN mine ON target_id = mine.source_id
)
UPDATE profile_merges SET profile_id = %(source)s, target_id = CASE target_id WHEN %(target)s THEN %(source)s
                                                                              ELSE target_id END
FROM mine WHERE profile_merges.source_id = mine.source_id
"""


async def return_rows(connection: Connection, merge: Merge, returning: Collection[Identity]) -> None:
    """Give the restored profile its identities and the rows that carry them.

    Rows of journeys go with the journey, which goes by the event of its entry.
    """
    snapshot = merge.snapshot
    if snapshot is None:
        raise ValueError("the merge of an anonymous profile has no snapshot")
    former = [{"kind": kind, "value": value} for kind, value, is_former in snapshot.identities if is_former]
    await connection.execute(
        """
        UPDATE identities SET profile_id = %s,
          is_former = EXISTS (SELECT FROM jsonb_to_recordset(%s) AS item (kind text, value text)
                              WHERE item.kind = identities.kind AND item.value = identities.value)
        FROM unnest(%s::text[], %s::text[]) AS mine (kind, value)
        WHERE identities.kind = mine.kind AND identities.value = mine.value AND profile_id = %s
        """,
        (
            merge.source_id,
            Jsonb(former),
            [one.kind for one in returning],
            [one.value for one in returning],
            merge.target_id,
        ),
    )
    parameters = {
        "source": merge.source_id,
        "target": merge.target_id,
        "at": merge.at,
        "since": merge.at - CLOCKS_DIFFER,
        "first": snapshot.first_event_at - CLOCKS_DIFFER,
        "user_ids": [one.value for one in returning if one.kind == "user"],
        "anonymous_ids": [one.value for one in returning if one.kind == "anonymous"],
        "decisions": snapshot.decisions,
        "journeys": snapshot.journeys,
        "messages": snapshot.messages,
        "changes": snapshot.changes,
        "memberships": snapshot.memberships,
        "devices": snapshot.devices,
    }
    statements = [
        _RETURN_EVENTS,
        _RETURN_JOURNEYS,
        *(_RETURN_OF_JOURNEYS.format(table=table, and_of_people=_OF_PEOPLE) for table in ("messages", "decisions")),
        *(_RETURN_OF_JOURNEYS.format(table=one, and_of_people="") for one in ("conversions", "ad_audience_members")),
        *(_RETURN_OF_ACCOUNTS.format(table=table) for table in ("messages", "decisions")),
        *(_RETURN_OF_MESSAGES.format(table=table) for table in ("inbox", "survey_answers")),
        _RETURN_REPORTS,
        _RETURN_DECISIONS,
        _RETURN_CHANGES,
        _RETURN_MEMBERSHIPS,
        _RETURN_MERGES,
        _RETURN_HOLDS,
        _RETURN_DEVICES,
        "DELETE FROM profile_merges WHERE source_id = %(source)s",
    ]
    for statement in statements:
        await connection.execute(statement, parameters)


class ReceivedEvent(Struct, frozen=True):
    """An event with its arrival."""

    event: Event
    received_at: datetime


async def said_since(
    connection: Connection, profile_id: UUID, since: datetime, message_ids: Collection[str] = ()
) -> list[ReceivedEvent]:
    """Return a profile's identifies since an instant, and its events of these ids.

    Unverified events stated nothing.
    """
    cursor = await connection.execute(
        """
        SELECT id, source, message_id, type, name, user_id, anonymous_id, previous_id, group_id, properties, context,
               timestamp, reported_timestamp, integrations, is_history, trust, received_at
        FROM events
        WHERE profile_id = %(id)s AND recorded_at >= %(since)s AND received_at >= %(before)s AND trust <> 'unverified'
          AND (type = 'identify' OR message_id = ANY(%(message_ids)s))
        ORDER BY recorded_at, id
        """,
        {
            "id": profile_id,
            "since": since,
            "before": since - CLOCKS_DIFFER,
            "message_ids": list(message_ids),
        },
    )
    return [
        ReceivedEvent(Event(**{**row, "trust": Trust(row["trust"])}), received_at)
        for row in await cursor.fetchall()
        for received_at in (row.pop("received_at"),)
    ]
