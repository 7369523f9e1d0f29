"""Holds of all marketing, and the journeys that wait for their end."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from store.database import Connection

# The open holds of a person at `at`, and those of all areas: an expression for statements that read `profiles`. The
# registry knows until when there may be any, so that without one nothing is looked up.
HOLDS: Final = """
CASE WHEN (SELECT holds_until FROM registry) > %(at)s THEN COALESCE((
  SELECT jsonb_agg(jsonb_build_object(
    'id', holds.id, 'until', holds.until, 'why', holds.reason,
    'subject', CASE WHEN holds.profile_id IS NULL THEN holds.id_kind || ' ' || holds.id_value ELSE 'user' END,
    'area', CASE WHEN holds.profile_id IS NULL AND holds.id_kind = 'area' THEN holds.id_value END))
  FROM holds
  WHERE (holds.profile_id = profiles.id OR holds.profile_id IS NULL)
    AND holds.ended_at IS NULL AND holds.until > %(at)s
    AND (holds.profile_id IS NOT NULL OR holds.id_kind = 'area' OR EXISTS (
      SELECT FROM segments JOIN profile_states ON profile_states.profile_id = profiles.id
      WHERE segments.key = holds.id_value AND segments.retired_at IS NULL
        AND profile_states.segments ? segments.id::text))
), '[]') ELSE '[]' END
"""


class HoldRow(Struct, frozen=True):
    """A hold of a person; without `profile_id`, of a segment or an area.

    `id_kind` and `id_value` are the id by which the person was named, or `segment` or `area` with its key. `event` is
    the name of an event that ends it. `ended_by` is the operator who released it, or that event's id.
    """

    id: UUID
    profile_id: UUID | None
    id_kind: str
    id_value: str
    until: datetime
    event: str | None
    reason: str
    placed_by: str
    placed_at: datetime
    ended_at: datetime | None
    ended_by: str | None


class HeldGroup(Struct, frozen=True):
    """A segment or an area on hold, by its key, with the id of the hold."""

    id: UUID
    kind: Literal["segment", "area"]
    key: str


_COLUMNS: Final = "id, profile_id, id_kind, id_value, until, event, reason, placed_by, placed_at, ended_at, ended_by"


async def place(
    connection: Connection,
    profile_id: UUID | None,
    *,
    id_kind: str,
    id_value: str,
    until: datetime,
    event: str | None,
    reason: str,
    placed_by: str,
) -> HoldRow:
    """Place a hold. The caller has locked the registry and the person."""
    await connection.execute(
        "UPDATE registry SET holds_until = greatest(holds_until, %(until)s) "
        "WHERE holds_until IS NULL OR holds_until < %(until)s",
        {"until": until},
    )
    cursor = await connection.execute(
        f"""
        INSERT INTO holds (id, profile_id, id_kind, id_value, until, event, reason, placed_by, placed_at)
        VALUES (%(id)s, %(profile_id)s, %(id_kind)s, %(id_value)s, %(until)s, %(event)s, %(reason)s, %(placed_by)s,
                %(placed_at)s)
        RETURNING {_COLUMNS}
        """,  # noqa: S608 -- a constant of this module
        {
            "id": uuid7(),
            "profile_id": profile_id,
            "id_kind": id_kind,
            "id_value": id_value,
            "until": until,
            "event": event,
            "reason": reason,
            "placed_by": placed_by,
            "placed_at": connection.clock.now(),
        },
    )
    [row] = await cursor.fetchall()
    return HoldRow(**row)


async def count_open(connection: Connection, profile_id: UUID | None) -> int:
    """Count the open holds of a person, or those of segments and areas."""
    cursor = await connection.execute(
        """
        SELECT count(*) AS number FROM holds
        WHERE profile_id IS NOT DISTINCT FROM %s AND ended_at IS NULL AND until > %s
        """,
        (profile_id, connection.clock.now()),
    )
    [row] = await cursor.fetchall()
    return int(row["number"])


async def find(connection: Connection, id: UUID) -> HoldRow | None:
    """Return one hold."""
    cursor = await connection.execute(f"SELECT {_COLUMNS} FROM holds WHERE id = %s", (id,))  # noqa: S608
    row = await cursor.fetchone()
    return None if row is None else HoldRow(**row)


async def page(
    connection: Connection, *, profile_id: UUID | None, only_open: bool, before: UUID | None, limit: int
) -> list[HoldRow]:
    """Return holds, the newest first."""
    cursor = await connection.execute(
        f"""
        SELECT {_COLUMNS} FROM holds
        WHERE (%(profile_id)s::uuid IS NULL OR profile_id = %(profile_id)s)
          AND (NOT %(only_open)s OR ended_at IS NULL AND until > %(now)s)
          AND (%(before)s::uuid IS NULL OR id < %(before)s)
        ORDER BY id DESC LIMIT %(limit)s
        """,  # noqa: S608
        {
            "profile_id": profile_id,
            "only_open": only_open,
            "now": connection.clock.now(),
            "before": before,
            "limit": limit,
        },
    )
    return [HoldRow(**row) async for row in cursor]


async def end(connection: Connection, id: UUID, by: str) -> bool:
    """End a hold; False if it is over already."""
    cursor = await connection.execute(
        """
        UPDATE holds SET ended_at = %(now)s, ended_by = %(by)s
        WHERE id = %(id)s AND ended_at IS NULL AND until > %(now)s
        """,
        {"id": id, "by": by, "now": connection.clock.now()},
    )
    return cursor.rowcount == 1


async def end_by_events(connection: Connection, events: Sequence[Mapping[str, Any]]) -> list[UUID]:
    """End the open holds that events end; return their ids.

    An event has `profile_id`, `name` and `id`.
    """
    cursor = await connection.execute(
        """
        WITH item AS (
          SELECT DISTINCT ON (profile_id, name) *
          FROM jsonb_to_recordset(%(events)s) AS item (profile_id uuid, name text, id text)
          ORDER BY profile_id, name, id
        ), ending AS (
          SELECT holds.id, item.id AS event_id
          FROM item JOIN holds ON holds.profile_id = item.profile_id AND holds.event = item.name
          WHERE ended_at IS NULL AND until > %(now)s ORDER BY holds.id FOR UPDATE OF holds
        )
        UPDATE holds SET ended_at = %(now)s, ended_by = ending.event_id FROM ending WHERE holds.id = ending.id
        RETURNING holds.id
        """,
        {"events": Jsonb(events), "now": connection.clock.now()},
    )
    return [row["id"] async for row in cursor]


async def list_groups(connection: Connection) -> list[HeldGroup]:
    """Return the segments and areas on hold, once for each hold."""
    cursor = await connection.execute(
        """
        SELECT id, id_kind AS kind, id_value AS key FROM holds
        WHERE profile_id IS NULL AND ended_at IS NULL AND until > %(at)s
          AND (SELECT holds_until FROM registry) > %(at)s
        """,
        {"at": connection.clock.now()},
    )
    return [HeldGroup(**row) async for row in cursor]
