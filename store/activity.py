"""The activity of people, and their devices."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, convert
from msgspec.structs import asdict
from psycopg.types.json import Jsonb

from domain.people.devices import Device
from domain.people.erasure import CREATED_WHEN_ERASED
from domain.people.registers import Registers, unpack
from domain.people.sessions import Activity
from domain.tracking.event import CallType, Event
from store import events
from store.database import Connection, PendingResult

Devices = Mapping[str, Device]


class Learned(Struct, frozen=True):
    """The activity and devices of a person.

    `context` are the registers of the newest device: time zone and language.
    """

    activity: Activity | None
    devices: Devices
    context: Registers


# One row a person: all devices of one are read with the rest.
_READ = """
SELECT profiles.id, profiles.context, profiles.said -> 'context' AS said,
       (SELECT to_jsonb(known) - 'profile_id' FROM profile_activity AS known
        WHERE profile_id = profiles.id) AS activity,
       COALESCE((SELECT jsonb_agg(to_jsonb(known) - 'profile_id') FROM devices AS known
                 WHERE profile_id = profiles.id), '[]') AS devices
FROM profiles WHERE id = ANY(%s) AND created_at < %s
"""


async def read(connection: Connection, profile_ids: Collection[UUID]) -> PendingResult[dict[UUID, Learned]]:
    """Read what is known of people, without those who are being erased.

    To write it, the caller locks the profiles first, in an earlier statement.
    """
    cursor = await connection.execute(_READ, (list(profile_ids), CREATED_WHEN_ERASED))
    return PendingResult(cursor, lambda rows: {row["id"]: _as_learned(row) for row in rows})


async def read_devices(connection: Connection, profile_ids: Collection[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """Return the devices of people as JSON, without the names of devices."""
    cursor = await connection.execute(
        """
        SELECT profile_id, jsonb_agg(to_jsonb(devices) - '{profile_id,id}'::text[] ORDER BY id) AS devices
        FROM devices WHERE profile_id = ANY(%s) GROUP BY profile_id
        """,
        (list(profile_ids),),
    )
    return {row["profile_id"]: row["devices"] async for row in cursor}


async def follow_merges(connection: Connection, profile_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return the profiles into which these were merged."""
    cursor = await connection.execute(
        "SELECT source_id, profile_id FROM profile_merges WHERE source_id = ANY(%s)", (list(profile_ids),)
    )
    return {row["source_id"]: row["profile_id"] async for row in cursor}


async def write(connection: Connection, activities: Mapping[UUID, Activity]) -> None:
    """Write the activity of locked people."""
    if not activities:
        return
    items = [{"profile_id": id, **_columns(activity)} for id, activity in sorted(activities.items())]
    await connection.execute(
        """
        INSERT INTO profile_activity (
          profile_id, first_seen, last_seen, sessions, session_started_at, ended_at, ends_at, opened, marks)
        SELECT profile_id, first_seen, last_seen, sessions, session_started_at, ended_at, ends_at, opened, marks
        FROM jsonb_to_recordset(%s) AS item (
          profile_id uuid, first_seen timestamptz, last_seen timestamptz, sessions int,
          session_started_at timestamptz, ended_at timestamptz, ends_at timestamptz, opened jsonb, marks jsonb)
        ON CONFLICT (profile_id) DO UPDATE
        SET first_seen = excluded.first_seen, last_seen = excluded.last_seen, sessions = excluded.sessions,
            session_started_at = excluded.session_started_at, ended_at = excluded.ended_at,
            ends_at = excluded.ends_at, opened = excluded.opened, marks = excluded.marks
        """,
        (Jsonb(items),),
    )


async def write_devices(connection: Connection, before: Mapping[UUID, Devices], after: Mapping[UUID, Devices]) -> None:
    """Write the devices of locked people that differ from those before."""
    changed = [
        {"profile_id": id, **asdict(device)}
        for id, devices in sorted(after.items())
        for device in sorted(devices.values(), key=lambda one: one.id)
        if device != before.get(id, {}).get(device.id)
    ]
    dropped = [
        (id, device) for id, devices in before.items() for device in devices if device not in after.get(id, devices)
    ]
    if dropped:
        await connection.execute(
            "DELETE FROM devices WHERE (profile_id, id) IN (SELECT * FROM unnest(%s::uuid[], %s::text[]))",
            ([id for id, _ in dropped], [device for _, device in dropped]),
        )
    if changed:
        await connection.execute(
            f"""
            INSERT INTO devices ({_DEVICE}) SELECT {_DEVICE} FROM jsonb_populate_recordset(NULL::devices, %s)
            ON CONFLICT (profile_id, id) DO UPDATE SET ({_DEVICE}) = ROW(excluded.*)
            """,  # noqa: S608 -- a constant below
            (Jsonb(changed),),
        )


_DEVICE = ", ".join(("profile_id", *Device.__struct_fields__))


async def delete(connection: Connection, profile_ids: Collection[UUID]) -> None:
    """Delete what is known of locked people."""
    await connection.execute("DELETE FROM profile_activity WHERE profile_id = ANY(%s)", (list(profile_ids),))
    await connection.execute("DELETE FROM devices WHERE profile_id = ANY(%s)", (list(profile_ids),))


# Events of one session that are read.
MAX_SESSION_EVENTS = 2_000


class Span(Struct, frozen=True):
    """A time of a person, both ends included."""

    profile_id: UUID
    first: datetime
    last: datetime


async def read_events(connection: Connection, spans: Sequence[Span]) -> list[list[Event]]:
    """Return the events of each span, in the order in which they happened.

    Unverified events do not count. At most MAX_SESSION_EVENTS of each span.
    """
    if not spans:
        return []
    cursor = await connection.execute(
        """
        SELECT place, found.*
        FROM jsonb_to_recordset(%(spans)s) AS span (place int, profile_id uuid, first timestamptz, last timestamptz)
        CROSS JOIN LATERAL (
          SELECT id, profile_id, source, message_id, type, name, user_id, anonymous_id, previous_id, group_id,
                 properties, context, timestamp, reported_timestamp, integrations, is_history, trust
          FROM events
          WHERE profile_id = span.profile_id AND timestamp BETWEEN span.first AND span.last
            AND trust <> 'unverified' AND recorded_at >= span.first - clock_ahead() - %(differ)s
            AND received_at >= %(since)s
          ORDER BY timestamp, id LIMIT %(limit)s) AS found
        ORDER BY place, timestamp, id
        """,
        {
            "spans": Jsonb([{"place": place, **asdict(span)} for place, span in enumerate(spans)]),
            "differ": events.CLOCKS_DIFFER,
            "since": min(span.first for span in spans) - events.CLOCKS_DIFFER,
            "limit": MAX_SESSION_EVENTS,
        },
    )
    found: list[list[Event]] = [[] for _ in spans]
    async for row in cursor:
        found[row.pop("place")].append(events.as_stored(row).event)
    return found


# The latest events of a person in which names are counted.
MAX_COUNTED_EVENTS = 1_000


class NameCount(Struct, frozen=True):
    """How often a name is among the latest events of a person, and when it was last."""

    source: str
    type: CallType
    name: str
    count: int
    last_at: datetime


async def count_names(connection: Connection, profile_id: UUID) -> PendingResult[list[NameCount]]:
    """Count the names of pages, screens and events, the most frequent first.

    A page without a name has its path.
    """
    cursor = await connection.execute(
        """
        SELECT source, type, COALESCE(name, properties ->> 'path') AS name, count(*) AS count,
               max(timestamp) AS last_at
        FROM (SELECT source, type, name, properties, timestamp FROM events
              WHERE profile_id = %s AND type IN ('track', 'page', 'screen') AND trust <> 'unverified'
              ORDER BY recorded_at DESC LIMIT %s) AS latest
        WHERE COALESCE(name, properties ->> 'path') IS NOT NULL
        GROUP BY 1, 2, 3 ORDER BY count DESC, last_at DESC
        """,
        (profile_id, MAX_COUNTED_EVENTS),
    )
    return PendingResult(cursor, lambda rows: [NameCount(**row) for row in rows])


def _as_learned(row: Mapping[str, Any]) -> Learned:
    known = row["activity"]
    devices = [convert(device, Device) for device in row["devices"]]
    return Learned(
        None if known is None else convert({**known, "active_until": known["last_seen"]}, Activity),
        {device.id: device for device in devices},
        Registers(row["context"], unpack(row["said"] or ())),
    )


def _columns(activity: Activity) -> dict[str, Any]:
    columns = asdict(activity)
    del columns["active_until"]
    return columns
