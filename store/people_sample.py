"""People drawn at random, and the parts of them that a condition reads."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import asdict

from domain.people.profile import Profile
from domain.tracking.event import ANY, Trigger
from store.addresses import REFUSED_OF_PROFILE
from store.database import Connection
from store.profiles import LEARNED

# From so many people on, PostgreSQL's estimate of their number will do: counting takes a second for each ten million.
MAX_COUNTED: Final = 1_000_000
# BCP 47 asks for room for so many (4.4.1).
MAX_LOCALE_CHARACTERS: Final = 35


class ReadParts(Struct, frozen=True):
    """The parts of people that a condition reads; others stay empty."""

    values: bool
    consent: bool
    learned: bool
    state: bool


WHOLE: Final = ReadParts(values=True, consent=True, learned=True, state=True)


async def draw(connection: Connection, start: int, limit: int) -> list[UUID]:
    """Return so many people drawn at random, or all if there are fewer.

    Their order is that of a hash of their ids, from any `start` within 32 bits. Blocks of the table, which TABLESAMPLE
    draws, hold people who came together.
    """
    cursor = await connection.execute(
        """
        (SELECT id FROM profiles WHERE uuid_hash(id) >= %(start)s ORDER BY uuid_hash(id) LIMIT %(limit)s)
        UNION ALL
        (SELECT id FROM profiles WHERE uuid_hash(id) < %(start)s ORDER BY uuid_hash(id) LIMIT %(limit)s)
        LIMIT %(limit)s
        """,
        {"start": start, "limit": limit},
    )
    return [row["id"] async for row in cursor]


async def estimate_count(connection: Connection) -> int:
    """Return the number of people; of many, as PostgreSQL's statistics have it."""
    cursor = await connection.execute(
        """
        SELECT CASE WHEN reltuples >= %s THEN reltuples::bigint ELSE (SELECT count(*) FROM profiles) END AS count
        FROM pg_class WHERE oid = 'profiles'::regclass
        """,
        (MAX_COUNTED,),
    )
    [row] = await cursor.fetchall()
    return int(row["count"])


async def count_locales(connection: Connection, ids: Collection[UUID]) -> Counter[str]:
    """Count people by locale as they stated it, else by that of their device.

    People without a locale are left out, as are values too long for one.
    """
    cursor = await connection.execute(
        """
        SELECT locale, count(*) AS people FROM (
          SELECT COALESCE(
            CASE WHEN jsonb_typeof(traits -> 'locale') = 'string' THEN NULLIF(traits ->> 'locale', '') END,
            context ->> 'locale'
          ) AS locale
          FROM profiles WHERE id = ANY(%s)
        ) AS stated WHERE length(locale) <= %s GROUP BY locale
        """,
        (list(ids), MAX_LOCALE_CHARACTERS),
    )
    return Counter({row["locale"]: row["people"] async for row in cursor})


async def find_reporters(connection: Connection, ids: Collection[UUID], trigger: Trigger, since: datetime) -> set[UUID]:
    """Return the people with an event of a trigger since an instant."""
    cursor = await connection.execute(
        """
        SELECT person.id FROM unnest(%(ids)s::uuid[]) AS person (id)
        WHERE EXISTS (
          SELECT FROM events
          WHERE profile_id = person.id AND recorded_at > %(since)s - clock_ahead() AND received_at > %(since)s
            AND type = %(kind)s
            AND (%(is_any)s OR CASE WHEN type = 'group' THEN group_id ELSE name END = %(name)s))
        """,
        {
            "ids": list(ids),
            "since": since,
            "kind": trigger.kind,
            "name": trigger.name,
            "is_any": trigger.name == ANY,
        },
    )
    return {row["id"] async for row in cursor}


async def read(connection: Connection, ids: Collection[UUID], parts: ReadParts) -> Sequence[Profile]:
    """Read people by id, without locks."""
    cursor = await connection.execute(
        f"""
        SELECT id, user_id, stage AS stated_stage, created_at,
               CASE WHEN %(values)s THEN traits ELSE '{{}}' END AS traits,
               CASE WHEN %(values)s THEN context ELSE '{{}}' END AS context,
               CASE WHEN %(consent)s THEN consent ELSE '{{}}' END AS consent_given,
               CASE WHEN %(consent)s THEN suppressed ELSE '{{}}' END AS suppressed,
               CASE WHEN %(consent)s THEN preferences ELSE '{{}}' END AS preferences,
               CASE WHEN %(consent)s THEN {REFUSED_OF_PROFILE} ELSE '{{}}' END AS refused_addresses,
               CASE WHEN %(learned)s THEN {LEARNED} END AS learned,
               COALESCE(state, '{{}}') AS counted, COALESCE(segments, '{{}}') AS memberships
        FROM profiles LEFT JOIN profile_states ON %(state)s AND profile_id = profiles.id
        WHERE id = ANY(%(ids)s) ORDER BY id
        """,  # noqa: S608 -- constants of the store
        {"ids": list(ids), **asdict(parts)},
    )
    return [Profile(**row) async for row in cursor]
