"""The segments of the deployment, their members, and who joined and left."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct, convert
from psycopg.types.json import Jsonb

from domain.people.segments.definition import MembershipChange, RecordedChange, SegmentDefinition, SegmentRule
from store.database import Connection, PendingResult


class StoredSegment(Struct, frozen=True):
    """A segment in force.

    Everyone was judged by its definition at `ready_at`; None until then.
    """

    definition: SegmentDefinition
    name: str
    source: str
    applied_by: str
    ready_at: datetime | None

    @property
    def version(self) -> int:
        """The version of its document."""
        return self.definition.version


class Member(Struct, frozen=True):
    """A member. `anonymous_id` is the first, of a person without a user id."""

    id: UUID
    user_id: str | None
    anonymous_id: str | None
    since: datetime


class Membership(Struct, frozen=True):
    """A segment of a person; the cause is that of `segments.causes`."""

    key: str
    name: str
    since: datetime
    cause: dict[str, Any] | None


_SEGMENT = "SELECT id, key, name, version, source, rule, revision, applied_by, active_from, ready_at FROM segments"


async def load(connection: Connection) -> list[StoredSegment]:
    """Return the segments in force."""
    cursor = await connection.execute(f"{_SEGMENT} WHERE retired_at IS NULL ORDER BY key")
    return [_as_stored(row) async for row in cursor]


async def count_members(connection: Connection) -> dict[int, int]:
    """Return the number of members by segment; none for those without."""
    cursor = await connection.execute(
        """
        SELECT segment_id, sum(change)::bigint AS count FROM segment_counts GROUP BY segment_id HAVING sum(change) > 0
        """
    )
    return {row["segment_id"]: row["count"] async for row in cursor}


async def page_members(connection: Connection, segment_id: int, after: UUID | None, limit: int) -> list[Member]:
    """Return members behind a profile's id, by these ids."""
    cursor = await connection.execute(
        """
        SELECT profiles.id, user_id, since,
               CASE WHEN user_id IS NULL
                    THEN (SELECT min(value) FROM identities WHERE profile_id = profiles.id AND kind = 'anonymous') END
                 AS anonymous_id
        FROM segment_members JOIN profiles ON profiles.id = profile_id
        WHERE segment_id = %s AND profile_id > %s ORDER BY profile_id LIMIT %s
        """,
        (segment_id, after or UUID(int=0), limit),
    )
    return [Member(**row) async for row in cursor]


async def begin_of_profile(connection: Connection, profile_id: UUID) -> PendingResult[list[Membership]]:
    """Read the segments of a person in a pipeline, by key."""
    cursor = await connection.execute(
        """
        SELECT key, name, since,
               (SELECT cause FROM segment_changes
                WHERE profile_id = members.profile_id AND segment_id = members.segment_id AND has_joined
                ORDER BY at DESC, id DESC LIMIT 1) AS cause
        FROM segment_members AS members JOIN segments ON segments.id = segment_id
        WHERE profile_id = %s AND retired_at IS NULL ORDER BY key
        """,
        (profile_id,),
    )
    return PendingResult(cursor, lambda rows: [Membership(**row) for row in rows])


async def put(connection: Connection, key: str, name: str, source: str, rule: SegmentRule, by: str) -> StoredSegment:
    """Put a definition in force, under the registry's new revision.

    The caller holds the registry's exclusive lock, and has changed its revision. In a deployment without people it is
    ready at once.
    """
    cursor = await connection.execute(
        """
        INSERT INTO segments (key, name, version, source, rule, revision, applied_by, ready_at)
        SELECT %(key)s, %(name)s, 1, %(source)s, %(rule)s, revision, %(by)s,
               CASE WHEN NOT EXISTS (SELECT FROM profiles) THEN clock_timestamp() + clock_ahead() END
        FROM registry
        ON CONFLICT (key) WHERE retired_at IS NULL DO UPDATE
        SET name = excluded.name, source = excluded.source, applied_by = excluded.applied_by,
            version = segments.version + 1, rule = excluded.rule, revision = excluded.revision,
            active_from = clock_timestamp() + clock_ahead(), ready_at = excluded.ready_at
        RETURNING id, key, name, version, source, rule, revision, applied_by, active_from, ready_at
        """,
        {"key": key, "name": name, "source": source, "rule": Jsonb(rule), "by": by},
    )
    [row] = await cursor.fetchall()
    return _as_stored(row)


async def rename(connection: Connection, key: str, name: str, source: str, by: str) -> None:
    """Replace the text of a segment whose rule stays."""
    await connection.execute(
        """
        UPDATE segments SET name = %s, source = %s, applied_by = %s, version = version + 1
        WHERE key = %s AND retired_at IS NULL
        """,
        (name, source, by, key),
    )


async def renew_unready(connection: Connection) -> None:
    """Begin anew with definitions that have not judged everyone.

    They may have waited for their computed traits meanwhile, and not have judged anyone.
    """
    await connection.execute(
        """
        UPDATE segments SET revision = registry.revision, active_from = clock_timestamp() + clock_ahead()
        FROM registry WHERE ready_at IS NULL AND retired_at IS NULL
        """
    )


async def renew(connection: Connection, ids: Sequence[int]) -> None:
    """Begin anew with definitions whose condition reads something that has changed."""
    await connection.execute(
        """
        UPDATE segments
        SET revision = registry.revision, active_from = clock_timestamp() + clock_ahead(), ready_at = NULL
        FROM registry WHERE id = ANY(%s)
        """,
        (list(ids),),
    )


async def renew_groups(connection: Connection, groups: Collection[str]) -> None:
    """Begin anew with the segments of exclusive groups that another one has left."""
    await connection.execute(
        """
        UPDATE segments
        SET revision = registry.revision, active_from = clock_timestamp() + clock_ahead(), ready_at = NULL
        FROM registry WHERE rule ->> 'exclusive' = ANY(%s) AND retired_at IS NULL
        """,
        (sorted(groups),),
    )


async def retire(connection: Connection, ids: Sequence[int]) -> None:
    """End segments: from here on, none of them has members.

    Their rows are deleted by maintenance. The states of people drop them when they next change. The caller requests a
    judgement if they were of an exclusive group: its other segments begin anew.
    """
    cursor = await connection.execute(
        """
        UPDATE segments SET retired_at = clock_timestamp() + clock_ahead() WHERE id = ANY(%s)
        RETURNING rule ->> 'exclusive' AS exclusive
        """,
        (list(ids),),
    )
    if groups := {row["exclusive"] async for row in cursor} - {None}:
        await renew_groups(connection, groups)


# Rows of one transaction of maintenance.
PAGE: Final = 10_000


async def forget_retired(connection: Connection, limit: int = PAGE) -> bool:
    """Delete a page of members of ended segments; return whether there may be more.

    A row that another transaction has locked is left to the next round.
    """
    cursor = await connection.execute(
        """
        DELETE FROM segment_members WHERE (segment_id, profile_id) IN (
          SELECT segment_id, profile_id FROM segment_members
          WHERE segment_id IN (SELECT id FROM segments WHERE retired_at IS NOT NULL)
          LIMIT %s FOR UPDATE SKIP LOCKED)
        """,
        (limit,),
    )
    return cursor.rowcount == limit


async def add_up_counts(connection: Connection, limit: int = PAGE) -> bool:
    """Put a page of changes of numbers together; return whether there may be more."""
    cursor = await connection.execute(
        """
        WITH taken AS (
          DELETE FROM segment_counts
          WHERE id IN (SELECT id FROM segment_counts ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
          RETURNING segment_id, change
        ), added AS (
          INSERT INTO segment_counts (segment_id, change)
          SELECT segment_id, sum(change) FROM taken GROUP BY segment_id HAVING sum(change) <> 0
        )
        SELECT count(*) AS number FROM taken
        """,
        (limit,),
    )
    [row] = await cursor.fetchall()
    return bool(row["number"] == limit)


async def mark_ready(connection: Connection, revision: int, ids: Sequence[int]) -> None:
    """Record that everyone was judged by these definitions, unless newer ones came."""
    await connection.execute(
        """
        UPDATE segments SET ready_at = clock_timestamp() + clock_ahead()
        WHERE id = ANY(%s) AND revision <= %s AND ready_at IS NULL
        """,
        (list(ids), revision),
    )


async def write_changes(connection: Connection, changes: Sequence[RecordedChange]) -> None:
    """Write who joined and left. The caller locks the people, and writes their states."""
    items = [
        {
            "segment_id": one.change.segment_id,
            "profile_id": one.profile_id,
            "has_joined": one.change.has_joined,
            "at": one.change.at,
            "cause": one.cause,
        }
        for one in changes
    ]
    # The last change of each member holds; the others are history.
    await connection.execute(
        """
        WITH item AS MATERIALIZED (
          SELECT * FROM ROWS FROM (jsonb_to_recordset(%s) AS (
            segment_id int, profile_id uuid, has_joined boolean, at timestamptz, cause jsonb)) WITH ORDINALITY
            AS item (segment_id, profile_id, has_joined, at, cause, position)
        ), last AS MATERIALIZED (
          SELECT DISTINCT ON (segment_id, profile_id) segment_id, profile_id, has_joined, at FROM item
          ORDER BY segment_id, profile_id, position DESC
        ), deleted AS (
          DELETE FROM segment_members USING last
          WHERE segment_members.segment_id = last.segment_id AND segment_members.profile_id = last.profile_id
            AND NOT has_joined
        ), inserted AS (
          INSERT INTO segment_members (segment_id, profile_id, since)
          SELECT segment_id, profile_id, at FROM last WHERE has_joined
          ON CONFLICT (segment_id, profile_id) DO UPDATE SET since = excluded.since
        )
        INSERT INTO segment_changes (segment_id, profile_id, has_joined, at, cause)
        SELECT segment_id, profile_id, has_joined, at, cause FROM item ORDER BY position
        """,
        (Jsonb(items),),
    )


async def find_latest_change(connection: Connection, profile_id: UUID, segment_id: int) -> RecordedChange | None:
    """Return the latest change of a person in a segment; None if there is none."""
    cursor = await connection.execute(
        """
        SELECT key, has_joined, at, cause FROM segment_changes JOIN segments ON segments.id = segment_id
        WHERE profile_id = %s AND segment_id = %s ORDER BY at DESC, segment_changes.id DESC LIMIT 1
        """,
        (profile_id, segment_id),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    change = MembershipChange(segment_id, row["key"], row["has_joined"], row["at"])
    return RecordedChange(profile_id, change, row["cause"])


async def restate_members(connection: Connection, profile_ids: Collection[UUID]) -> None:
    """Make the members of these people what their states hold."""
    await connection.execute("DELETE FROM segment_members WHERE profile_id = ANY(%s)", (list(profile_ids),))
    await connection.execute(
        """
        INSERT INTO segment_members (segment_id, profile_id, since)
        SELECT segment.key::int, profile_id, 'epoch'::timestamptz + segment.value::bigint * interval '1 microsecond'
        FROM profile_states CROSS JOIN LATERAL jsonb_each_text(segments) AS segment
        WHERE profile_id = ANY(%s) AND segment.key::int IN (SELECT id FROM segments WHERE retired_at IS NULL)
        """,
        (list(profile_ids),),
    )


def _as_stored(row: dict[str, Any]) -> StoredSegment:
    rule = convert(row["rule"], SegmentRule)
    definition = SegmentDefinition(row["id"], row["key"], row["version"], rule, row["revision"], row["active_from"])
    return StoredSegment(definition, row["name"], row["source"], row["applied_by"], row["ready_at"])
