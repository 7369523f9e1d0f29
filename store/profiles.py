"""Profiles of people."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.channels.kinds import normalized_addresses
from domain.people.identity import IDENTITY_KINDS, Identity, PersonRef
from domain.people.profile import Profile
from domain.people.profile_state import STAGE, ProfileState
from domain.people.registers import pack
from store.arms import IS_ARM
from store.database import Connection, PendingResult
from store.events import CLOCKS_DIFFER

# The activity of the profile in the surrounding statement.
LEARNED = "(SELECT to_jsonb(seen) FROM profile_activity AS seen WHERE seen.profile_id = profiles.id)"


async def create(
    connection: Connection,
    created: Mapping[UUID, str | None],
    linked: Mapping[Identity, UUID],
    received_at: datetime,
) -> bool:
    """Insert profiles and identities. False if another transaction linked one first.

    No profile is younger than its first event, by which merges find the partitions that can hold its events.

    The same holds if it made one of these profiles another user's. The caller must then roll back and look the
    identities up again.
    """
    items = [
        {"kind": identity.kind, "value": identity.value, "profile_id": linked[identity]} for identity in sorted(linked)
    ]
    async with connection.pipeline():
        await connection.execute(
            """
            INSERT INTO profiles (id, user_id, created_at)
            SELECT id, user_id, least(now() + clock_ahead(), %s)
            FROM jsonb_to_recordset(%s) AS item (id uuid, user_id text) ORDER BY user_id, id
            ON CONFLICT DO NOTHING
            """,
            (received_at, Jsonb([{"id": id, "user_id": user_id} for id, user_id in created.items()])),
        )
        cursor = await connection.execute(
            """
            INSERT INTO identities (kind, value, profile_id)
            SELECT item.kind, item.value, profile.id
            FROM jsonb_to_recordset(%s) AS item (kind text, value text, profile_id uuid)
            JOIN profiles AS profile ON profile.id = item.profile_id
            ORDER BY item.kind, item.value
            ON CONFLICT DO NOTHING
            """,
            (Jsonb(items),),
        )
    return cursor.rowcount == len(items)


async def claim(connection: Connection, claimed: Mapping[UUID, str]) -> None:
    """Set the user ids that are now known for anonymous profiles."""
    await connection.execute(
        """
        UPDATE profiles SET user_id = item.user_id, updated_at = now()
        FROM jsonb_to_recordset(%s) AS item (id uuid, user_id text)
        WHERE profiles.id = item.id
        """,
        (Jsonb([{"id": id, "user_id": user_id} for id, user_id in claimed.items()]),),
    )


_HAS_ARM = f"""
EXISTS (SELECT FROM journeys JOIN decisions ON decisions.journey_id = journeys.id
        WHERE journeys.profile_id = profiles.id AND {IS_ARM})
"""
_INHERIT = f"""
UPDATE profiles SET created_at = least(profiles.created_at, source.created_at),
                    bucket = CASE WHEN source.bucket IS NULL OR {_HAS_ARM} THEN profiles.bucket ELSE source.bucket END
FROM (
  SELECT item.target, min(created_at) AS created_at,
         (array_agg(COALESCE(bucket, id) ORDER BY created_at, id) FILTER (WHERE {_HAS_ARM}))[1] AS bucket
  FROM jsonb_to_recordset(%s) AS item (source uuid, target uuid)
  JOIN profiles ON profiles.id = item.source GROUP BY item.target
) AS source
WHERE profiles.id = source.target
"""  # noqa: S608 -- a constant of the store


async def pour(connection: Connection, merged: Mapping[UUID, UUID]) -> None:
    """Merge profiles into the ones that stay, except for their values.

    A target whose journeys took no arm of a split takes the bucket of the oldest source that took one, so that the
    person stays in that arm. The caller writes the values. Journeys of a merged profile go on under the other one. If
    both are in the same campaign with the same entry key, the caller has ended the merged profile's journey before.
    """
    merges = Jsonb([{"source": source, "target": target} for source, target in merged.items()])
    await connection.execute(_INHERIT, (merges,))
    await connection.execute("SELECT move_rows_of_profiles(%s)", (merges,))
    await connection.execute("DELETE FROM profiles WHERE id = ANY(%s)", (list(merged),))


async def lock(
    connection: Connection, ids: Collection[UUID], *, with_said: Collection[UUID] = ()
) -> PendingResult[dict[UUID, Profile]]:
    """Lock profiles in the order of their ids until the commit.

    For `with_said` the stamps and claims are read as well, which writers of values need.
    """
    cursor = await connection.execute(
        f"""
        SELECT id, user_id, traits, consent AS consent_given, suppressed, stage AS stated_stage, created_at, context,
               preferences, {LEARNED} AS learned,
               CASE WHEN id = ANY(%(with_said)s) THEN said END AS said,
               CASE WHEN id = ANY(%(with_said)s) THEN claims ELSE '{{}}' END AS claims
        FROM profiles
        WHERE id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE
        """,  # noqa: S608 -- a constant above
        {"with_said": list(with_said), "ids": sorted(ids)},
    )
    return PendingResult(cursor, lambda rows: {row["id"]: Profile(**row) for row in rows})


async def lock_free(connection: Connection, ids: Collection[UUID]) -> dict[UUID, Profile]:
    """Lock the profiles that no other transaction has, in the order of their ids."""
    cursor = await connection.execute(
        f"""
        SELECT id, user_id, traits, consent AS consent_given, suppressed, stage AS stated_stage, created_at, context,
               preferences, {LEARNED} AS learned
        FROM profiles WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
        """,  # noqa: S608 -- a constant above
        (sorted(ids),),
    )
    return {row["id"]: Profile(**row) async for row in cursor}


async def count(connection: Connection) -> int:
    """Count the profiles."""
    cursor = await connection.execute("SELECT count(*) AS count FROM profiles")
    [row] = await cursor.fetchall()
    return int(row["count"])


async def ids_after(connection: Connection, after: UUID | None, limit: int) -> list[UUID]:
    """Return the ids of the profiles after one."""
    cursor = await connection.execute(
        "SELECT id FROM profiles WHERE id > %s ORDER BY id LIMIT %s", (after or UUID(int=0), limit)
    )
    return [row["id"] async for row in cursor]


async def find_first_arrival(connection: Connection, ids: Collection[UUID]) -> datetime | None:
    """Return an instant before which no event of these profiles arrived.

    Their events are not older than their creation. None if there are no such profiles.
    """
    cursor = await connection.execute("SELECT min(created_at) AS at FROM profiles WHERE id = ANY(%s)", (list(ids),))
    [row] = await cursor.fetchall()
    at: datetime | None = row["at"]
    return at and at - CLOCKS_DIFFER


async def read(connection: Connection, ids: Collection[UUID]) -> dict[UUID, Profile]:
    """Read profiles without stamps or locks."""
    cursor = await connection.execute(
        f"""
        SELECT id, user_id, traits, consent AS consent_given, suppressed, stage AS stated_stage, created_at, context,
               preferences, {LEARNED} AS learned
        FROM profiles WHERE id = ANY(%s)
        """,  # noqa: S608 -- a constant above
        (list(ids),),
    )
    return {row["id"]: Profile(**row) async for row in cursor}


async def write(connection: Connection, states: Mapping[UUID, ProfileState]) -> None:
    """Replace the values of profiles that the caller has locked and folded."""
    items = [{"id": id, **columns_of(state)} for id, state in sorted(states.items())]
    await connection.execute(
        """
        UPDATE profiles
        SET traits = item.traits, consent = item.consent, suppressed = item.suppressed, said = item.said,
            context = item.context, stage = item.stage, claims = item.claims, addresses = item.addresses,
            preferences = item.preferences, updated_at = now()
        FROM jsonb_to_recordset(%s) AS item (
          id uuid, traits jsonb, consent jsonb, suppressed jsonb, context jsonb, stage text, claims jsonb, said jsonb,
          addresses jsonb, preferences jsonb)
        WHERE profiles.id = item.id
        """,
        (Jsonb(items),),
    )


def columns_of(state: ProfileState) -> dict[str, Any]:
    """Return the columns that hold a state."""
    return {
        "traits": state.traits.values,
        "consent": state.consent.values,
        "suppressed": state.suppressed.values,
        "context": state.context.values,
        "stage": state.stage.values.get(STAGE),
        "claims": state.claims.values,
        "preferences": state.preferences.values,
        "said": {
            "traits": pack(state.traits.stamps),
            "consent": pack(state.consent.stamps),
            "suppressed": pack(state.suppressed.stamps),
            "context": pack(state.context.stamps),
            "stage": pack(state.stage.stamps),
            "claims": pack(state.claims.stamps),
            "preferences": pack(state.preferences.stamps),
        },
        "addresses": normalized_addresses(state.traits.values),
    }


async def find(connection: Connection, person: PersonRef) -> UUID | None:
    """Return the profile of a person, also by an id of a merged one."""
    if person.kind == "profile":
        try:
            id = UUID(person.id)
        except ValueError:
            return None
        cursor = await connection.execute(
            """
            SELECT id AS profile_id FROM profiles WHERE id = %(id)s
            UNION ALL SELECT profile_id FROM profile_merges WHERE source_id = %(id)s
            """,
            {"id": id},
        )
    else:
        cursor = await connection.execute(
            """
            SELECT profile_id FROM identities
            WHERE value = %(id)s AND kind = ANY(%(kinds)s) ORDER BY kind DESC LIMIT 1
            """,
            {"id": person.id, "kinds": [person.kind] if person.kind else list(IDENTITY_KINDS)},
        )
    row = await cursor.fetchone()
    return row["profile_id"] if row else None


async def traits_and_context(connection: Connection, profile_id: UUID) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a profile's traits and device context; empty if it was merged."""
    cursor = await connection.execute("SELECT traits, context FROM profiles WHERE id = %s", (profile_id,))
    row = await cursor.fetchone()
    return (row["traits"], row["context"]) if row else ({}, {})
