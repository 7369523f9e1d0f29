"""Audiences at ad platforms: put in force, and who is wanted in them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb

from domain.ad_audiences.identifiers import CHANNEL_OF, IdentifierKind
from domain.ad_audiences.membership import ADS
from domain.ad_audiences.rules import AdAudienceRule
from store.database import Connection

# One sweep judges marked members at a time: a later one must not be overtaken by what an earlier one has read.
_JUDGE_LOCK: Final = 0x41_55_44_49
_CONSENTS: Final = Jsonb({ADS: True})

# Whether a platform can find the person: of a statement that reads `audience` and `profiles`.
_REACHABLE: Final = """
COALESCE(profiles.addresses ?| audience.channels OR audience.has_user_ids AND profiles.user_id IS NOT NULL, false)
"""
# Rows that say no more than their absence: the person is not wanted, and the platform has nothing of them.
_FORGET: Final = """
DELETE FROM ad_audience_members AS member USING ad_audiences AS audience
WHERE audience.id = audience_id AND profile_id = ANY(%(profile_ids)s) AND held = '{}'
  AND (reason IN ('removed', 'exited', 'left', 'retired') OR reason = 'no_consent' AND mirror IS NULL)
"""


class StoredAudience(Struct, frozen=True):
    """An audience of the document, or one that was removed and is being emptied."""

    id: int
    name: str
    provider: str
    list_id: str
    mirror: str | None
    identifiers: list[IdentifierKind]
    retired_at: datetime | None
    flush_at: datetime
    flushed_at: datetime | None
    failure: str | None
    failed_at: datetime | None


AUDIENCE_COLUMNS: Final = """
audience.id, audience.name, audience.provider, audience.list_id, audience.mirror, audience.identifiers,
audience.retired_at, audience.flush_at, audience.flushed_at, audience.failure, audience.failed_at
"""


async def load(connection: Connection) -> list[StoredAudience]:
    """Return the audiences in force."""
    cursor = await connection.execute(
        f"SELECT {AUDIENCE_COLUMNS} FROM ad_audiences AS audience WHERE retired_at IS NULL ORDER BY name"  # noqa: S608
    )
    return [StoredAudience(**row) async for row in cursor]


async def put(connection: Connection, rule: AdAudienceRule) -> int:
    """Put a rule in force; return the audience's id."""
    channels = [CHANNEL_OF[kind] for kind in rule.identifiers if kind in CHANNEL_OF]
    cursor = await connection.execute(
        """
        INSERT INTO ad_audiences (name, provider, list_id, mirror, identifiers, channels, has_user_ids)
        VALUES (%(name)s, %(provider)s, %(list_id)s, %(mirror)s, %(identifiers)s, %(channels)s, %(has_user_ids)s)
        ON CONFLICT (name) WHERE retired_at IS NULL DO UPDATE
        SET mirror = excluded.mirror, identifiers = excluded.identifiers, channels = excluded.channels,
            has_user_ids = excluded.has_user_ids
        RETURNING id
        """,
        {
            "name": rule.name,
            "provider": rule.provider,
            "list_id": rule.list_id,
            "mirror": rule.mirror,
            "identifiers": list(rule.identifiers),
            "channels": channels,
            "has_user_ids": any(kind not in CHANNEL_OF for kind in rule.identifiers),
        },
    )
    [row] = await cursor.fetchall()
    return int(row["id"])


async def retire(connection: Connection, ids: Collection[int]) -> None:
    """End audiences: from here on no one is wanted in them."""
    await connection.execute(
        "UPDATE ad_audiences SET retired_at = clock_timestamp() + clock_ahead() WHERE id = ANY(%s)", (list(ids),)
    )


async def mark_members(connection: Connection, audience_id: int, after: UUID | None, limit: int) -> UUID | None:
    """Mark members behind an id to be judged; return the last, None without any."""
    cursor = await connection.execute(
        """
        WITH page AS (
          SELECT profile_id FROM ad_audience_members WHERE audience_id = %s AND profile_id > %s
          ORDER BY profile_id LIMIT %s
        ), marked AS (INSERT INTO ad_audience_marks (profile_id, has_moved) SELECT profile_id, true FROM page)
        SELECT profile_id FROM page ORDER BY profile_id DESC LIMIT 1
        """,
        (audience_id, after or UUID(int=0), limit),
    )
    row = await cursor.fetchone()
    return row["profile_id"] if row else None


async def mark_segment(connection: Connection, audience_id: int, after: UUID | None, limit: int) -> UUID | None:
    """Mark members of the mirrored segment, as `mark_members`."""
    cursor = await connection.execute(
        """
        WITH page AS (
          SELECT profile_id FROM ad_audiences
          JOIN segments ON segments.key = mirror AND segments.retired_at IS NULL
          JOIN segment_members ON segment_id = segments.id
          WHERE ad_audiences.id = %s AND profile_id > %s ORDER BY profile_id LIMIT %s
        ), marked AS (INSERT INTO ad_audience_marks (profile_id) SELECT profile_id FROM page)
        SELECT profile_id FROM page ORDER BY profile_id DESC LIMIT 1
        """,
        (audience_id, after or UUID(int=0), limit),
    )
    row = await cursor.fetchone()
    return row["profile_id"] if row else None


async def set_member(connection: Connection, name: str, profile_id: UUID, journey_id: UUID, *, is_wanted: bool) -> bool:
    """Want a person in an audience, or no more; False if steps do not change it.

    The caller has locked the person and the journey, and the person consents. The last write wins.
    """
    cursor = await connection.execute(
        f"""
        INSERT INTO ad_audience_members AS member (audience_id, profile_id, journey_id, reason, due_at)
        SELECT audience.id, profiles.id, %(journey_id)s,
               CASE WHEN NOT %(is_wanted)s THEN 'removed' WHEN NOT {_REACHABLE} THEN 'no_address' END,
               CASE WHEN %(is_wanted)s AND {_REACHABLE} THEN clock_timestamp() + clock_ahead() END
        FROM ad_audiences AS audience CROSS JOIN profiles
        WHERE audience.name = %(name)s AND audience.retired_at IS NULL AND audience.mirror IS NULL
          AND profiles.id = %(profile_id)s
        ON CONFLICT (audience_id, profile_id) DO UPDATE
        SET journey_id = excluded.journey_id, reason = excluded.reason, version = member.version + 1,
            changed_at = excluded.changed_at, failure = NULL,
            due_at = CASE WHEN excluded.due_at IS NOT NULL OR member.held <> '{{}}'
                          THEN COALESCE(member.due_at, clock_timestamp() + clock_ahead()) END
        RETURNING audience_id
        """,  # noqa: S608 -- a constant above
        {"name": name, "profile_id": profile_id, "journey_id": journey_id, "is_wanted": is_wanted},
    )
    if await cursor.fetchone() is None:
        return False
    if not is_wanted:
        await connection.execute(_FORGET, {"profile_ids": [profile_id]})
    return True


async def find_first_mark(connection: Connection) -> datetime | None:
    """Return since when the first mark waits; None if none does."""
    cursor = await connection.execute("SELECT marked_at FROM ad_audience_marks ORDER BY id LIMIT 1")
    row = await cursor.fetchone()
    return row["marked_at"] if row else None


async def judge_marked(connection: Connection, limit: int) -> int | None:
    """Judge a page of marked people by the facts of now; return the number of marks.

    None if another transaction is at it. The facts are read after the rows are locked: a later change marks the person
    again.
    """
    cursor = await connection.execute("SELECT pg_try_advisory_xact_lock(%s) AS is_mine", (_JUDGE_LOCK,))
    row = await cursor.fetchone()
    if row is None or not row["is_mine"]:
        return None
    cursor = await connection.execute(
        """
        DELETE FROM ad_audience_marks WHERE id IN (SELECT id FROM ad_audience_marks ORDER BY id LIMIT %s)
        RETURNING profile_id, has_moved
        """,
        (limit,),
    )
    marks = await cursor.fetchall()
    if marks:
        moved = {mark["profile_id"] for mark in marks if mark["has_moved"]}
        await _judge(connection, sorted({mark["profile_id"] for mark in marks}), sorted(moved))
    return len(marks)


async def _judge(connection: Connection, profile_ids: Sequence[UUID], moved: Sequence[UUID]) -> None:
    parameters: dict[str, Any] = {"profile_ids": list(profile_ids), "moved": list(moved), "consents": _CONSENTS}
    # Everyone in a mirrored segment has a row, also without consent: it may come.
    await connection.execute(
        """
        INSERT INTO ad_audience_members (audience_id, profile_id, reason)
        SELECT audience.id, segment_members.profile_id, 'left'
        FROM ad_audiences AS audience
        JOIN segments ON segments.key = audience.mirror AND segments.retired_at IS NULL
        JOIN segment_members ON segment_id = segments.id
        WHERE audience.retired_at IS NULL AND segment_members.profile_id = ANY(%(profile_ids)s)
        ON CONFLICT DO NOTHING
        """,
        parameters,
    )
    await connection.execute(
        """
        SELECT FROM ad_audience_members WHERE profile_id = ANY(%(profile_ids)s)
        ORDER BY profile_id, audience_id FOR UPDATE
        """,
        parameters,
    )
    await connection.execute(_JUDGE, parameters)
    await connection.execute(_FORGET, parameters)


_JUDGE: Final = f"""
WITH judged AS (
  SELECT member.audience_id, member.profile_id, COALESCE(
    CASE WHEN audience.retired_at IS NOT NULL THEN 'retired' END,
    CASE WHEN audience.mirror IS NULL AND member.reason IN ('removed', 'exited', 'left', 'no_consent')
         THEN member.reason END,
    CASE WHEN audience.mirror IS NULL AND journeys.state = 'exited' THEN 'exited' END,
    CASE WHEN audience.mirror IS NULL AND member.journey_id IS NULL THEN 'left' END,
    CASE WHEN audience.mirror IS NOT NULL AND NOT EXISTS (
           SELECT FROM segments JOIN segment_members ON segment_id = segments.id
           WHERE segments.key = audience.mirror AND segments.retired_at IS NULL
             AND segment_members.profile_id = member.profile_id)
         THEN 'left' END,
    CASE WHEN NOT COALESCE(profiles.consent @> %(consents)s, false) THEN 'no_consent' END,
    CASE WHEN NOT {_REACHABLE} THEN 'no_address' END) AS reason
  FROM ad_audience_members AS member
  JOIN ad_audiences AS audience ON audience.id = member.audience_id
  LEFT JOIN profiles ON profiles.id = member.profile_id
  LEFT JOIN journeys ON journeys.id = member.journey_id
  WHERE member.profile_id = ANY(%(profile_ids)s)
)
UPDATE ad_audience_members AS member
SET reason = judged.reason, version = member.version + 1, changed_at = clock_timestamp() + clock_ahead(),
    failure = NULL,
    due_at = CASE WHEN judged.reason IS NULL OR held <> '{{}}'
                  THEN COALESCE(member.due_at, clock_timestamp() + clock_ahead()) END
FROM judged
WHERE member.audience_id = judged.audience_id AND member.profile_id = judged.profile_id
  AND (member.reason IS DISTINCT FROM judged.reason
       OR judged.reason IS NULL AND member.profile_id = ANY(%(moved)s))
"""  # noqa: S608 -- a constant above


async def merge(connection: Connection, merged: Mapping[UUID, UUID]) -> None:
    """Leave one row for each audience to people who become one: the latest.

    One whose journey the merge has ended comes last. A trigger keeps what the platform has of the others. The caller
    has locked the profiles, and moves the rows.
    """
    items = Jsonb([{"source": source, "target": target} for source, target in merged.items()])
    await connection.execute(
        """
        WITH item AS (SELECT * FROM jsonb_to_recordset(%(items)s) AS item (source uuid, target uuid)),
        person AS (SELECT target, source AS id FROM item UNION SELECT target, target FROM item),
        locked AS MATERIALIZED (
          SELECT target, audience_id, member.profile_id, changed_at, outcome IS DISTINCT FROM 'merged' AS goes_on
          FROM ad_audience_members AS member JOIN person ON person.id = profile_id
          LEFT JOIN journeys ON journeys.id = member.journey_id
          ORDER BY member.profile_id, audience_id FOR UPDATE OF member
        ), placed AS (
          SELECT *, row_number() OVER (
            PARTITION BY target, audience_id ORDER BY goes_on DESC, changed_at DESC, profile_id) AS place
          FROM locked
        )
        DELETE FROM ad_audience_members AS member USING placed
        WHERE place > 1 AND member.audience_id = placed.audience_id AND member.profile_id = placed.profile_id
        """,
        {"items": items},
    )
    await connection.execute(
        """
        INSERT INTO ad_audience_marks (profile_id, has_moved)
        SELECT DISTINCT target, true FROM jsonb_to_recordset(%(items)s) AS item (source uuid, target uuid)
        JOIN ad_audience_members ON profile_id IN (source, target)
        """,
        {"items": items},
    )
