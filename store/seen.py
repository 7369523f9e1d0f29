"""Events and properties as they are reported."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct, convert
from msgspec.structs import asdict
from psycopg.types.json import Jsonb

from domain.data_plan.seen import SeenEvent, SeenKey
from domain.tracking.event import EventType
from store.database import Connection


class StoredSeen(Struct, frozen=True):
    """The kind of an event with all that is known of it."""

    key: SeenKey
    seen: SeenEvent


_COLUMNS = "source, type, name, is_rest, first_at, last_at, count, days, properties, more_properties"


async def load(connection: Connection, keys: Collection[SeenKey]) -> dict[SeenKey, SeenEvent]:
    """Return those of these kinds that were seen before."""
    cursor = await connection.execute(
        f"""
        SELECT {_COLUMNS} FROM seen_events
        JOIN jsonb_to_recordset(%s) AS item (source text, type text, name text, is_rest boolean)
          USING (source, type, name, is_rest)
        """,  # noqa: S608 -- a constant above
        (Jsonb([asdict(key) for key in keys]),),
    )
    return {stored.key: stored.seen for stored in [_as_stored(row) async for row in cursor]}


async def count_names(connection: Connection) -> dict[tuple[str, str], int]:
    """Return the number of names by source and type."""
    cursor = await connection.execute(
        "SELECT source, type, count(*) AS number FROM seen_events WHERE NOT is_rest GROUP BY source, type"
    )
    return {(row["source"], row["type"]): row["number"] async for row in cursor}


async def write(connection: Connection, seen: Mapping[SeenKey, SeenEvent]) -> None:
    """Write what is known of these kinds."""
    await connection.execute(
        f"""
        INSERT INTO seen_events ({_COLUMNS})
        SELECT {_COLUMNS} FROM jsonb_to_recordset(%s) AS item (
          source text, type text, name text, is_rest boolean, first_at timestamptz, last_at timestamptz, count bigint,
          days jsonb, properties jsonb, more_properties bigint)
        ON CONFLICT (source, type, name, is_rest) DO UPDATE
        SET first_at = EXCLUDED.first_at, last_at = EXCLUDED.last_at, count = EXCLUDED.count, days = EXCLUDED.days,
            properties = EXCLUDED.properties, more_properties = EXCLUDED.more_properties
        """,  # noqa: S608 -- a constant above
        (Jsonb([{**asdict(key), **asdict(one)} for key, one in seen.items()]),),
    )


async def page(
    connection: Connection,
    *,
    limit: int,
    after: SeenKey | None,
    source: str | None,
    type: str | None,
    name: str | None,
) -> list[StoredSeen]:
    """Return kinds by source, type and name, behind `after`; the rest of names last."""
    cursor = await connection.execute(
        f"""
        SELECT {_COLUMNS} FROM seen_events
        WHERE (%(after)s::text[] IS NULL OR (source, type, is_rest, name) >
                ((%(after)s)[1], (%(after)s)[2], (%(after)s)[3]::boolean, (%(after)s)[4]))
          AND (%(source)s::text IS NULL OR source = %(source)s)
          AND (%(type)s::text IS NULL OR type = %(type)s)
          AND (%(name)s::text IS NULL OR (name = %(name)s AND NOT is_rest))
        ORDER BY source, type, is_rest, name LIMIT %(limit)s
        """,  # noqa: S608 -- a constant above
        {
            "after": after and [after.source, after.type, str(after.is_rest), after.name],
            "source": source,
            "type": type,
            "name": name,
            "limit": limit,
        },
    )
    return [_as_stored(row) async for row in cursor]


async def list_type(connection: Connection, type: EventType) -> list[StoredSeen]:
    """Return all kinds of a type."""
    cursor = await connection.execute(f"SELECT {_COLUMNS} FROM seen_events WHERE type = %s", (type,))  # noqa: S608
    return [_as_stored(row) async for row in cursor]


async def count_recent(connection: Connection, since: datetime) -> dict[tuple[EventType, str], int]:
    """Return how often each type and name was reported since a day began."""
    cursor = await connection.execute(
        """
        SELECT type, name,
               sum((SELECT COALESCE(sum(number::bigint), 0) FROM jsonb_each_text(days) AS each (day, number)
                    WHERE day::date >= %s::date))::bigint AS number
        FROM seen_events WHERE NOT is_rest GROUP BY type, name
        """,
        (since,),
    )
    return {(row["type"], row["name"]): row["number"] async for row in cursor}


async def find_crowded(connection: Connection) -> set[str]:
    """Return the types of which not all names are kept."""
    cursor = await connection.execute("SELECT DISTINCT type FROM seen_events WHERE is_rest")
    return {row["type"] async for row in cursor}


def _as_stored(row: dict[str, Any]) -> StoredSeen:
    key = SeenKey(row.pop("source"), row.pop("type"), row.pop("name"), row.pop("is_rest"))
    return StoredSeen(key, convert(row, SeenEvent, str_keys=True))
