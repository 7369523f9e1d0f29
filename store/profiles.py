"""Profiles, and the identities by which clients call them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb

from domain.people.identity import Identity, Known, Resolution
from store.database import Asked, Connection


class Profile(Struct, frozen=True):
    """What is known of a person."""

    id: UUID
    user_id: str | None
    traits: dict[str, Any]
    consent: dict[str, bool]
    suppressed: dict[str, str]
    stage: str | None
    created_at: datetime


class ProfileChange(Struct, frozen=True):
    """Traits and consent that an identify reported; each replaces what was there under the same name."""

    id: UUID
    traits: dict[str, Any]
    consent: dict[str, bool]


_IDENTITIES = """
SELECT identity.kind, identity.value, identity.profile_id{and_more}
FROM identities AS identity
JOIN unnest(%s::text[], %s::text[]) AS wanted (kind, value) USING (kind, value)
ORDER BY identity.kind, identity.value
FOR {strength} OF identity
"""
# A person who has a user id is not anonymous, and need not be looked up for that. A statement that waited for a lock
# reads the locked row anew, and what it takes from another table as it was before: this is a hint.
_FIND = _IDENTITIES.format(
    strength="SHARE",
    and_more=""",
       identity.kind = 'anonymous'
         AND (SELECT user_id IS NULL FROM profiles WHERE profiles.id = identity.profile_id) AS is_anonymous""",
)
_LOCK = _IDENTITIES.format(strength="UPDATE", and_more="")


async def find_identities(connection: Connection, identities: Collection[Identity]) -> Asked[dict[Identity, Known]]:
    """The profiles behind those identities that exist; no identity comes to mean another person before the commit.

    `is_anonymous` may be out of date: another transaction may just have made the profile a user's. Nothing may be
    claimed or merged by it; `lock_identities` is for that.
    """
    cursor = await connection.execute(_FIND, _pairs(identities))
    return Asked(
        cursor,
        lambda rows: {
            Identity(row["kind"], row["value"]): Known(row["profile_id"], bool(row["is_anonymous"])) for row in rows
        },
    )


async def lock_identities(connection: Connection, identities: Collection[Identity]) -> dict[Identity, Known]:
    """The profiles behind those identities that exist, locked so that the caller may claim and merge them.

    Whether a profile is anonymous is read once the locks are held, by a statement whose snapshot is taken then, and
    stays true until the commit: to claim or merge it takes the lock of its one identity.
    """
    locked = await (await connection.execute(_LOCK, _pairs(identities))).fetchall()
    cursor = await connection.execute(
        "SELECT id FROM profiles WHERE id = ANY(%s) AND user_id IS NULL", ([row["profile_id"] for row in locked],)
    )
    anonymous = {row["id"] async for row in cursor}
    return {
        Identity(row["kind"], row["value"]): Known(row["profile_id"], row["profile_id"] in anonymous) for row in locked
    }


def _pairs(identities: Collection[Identity]) -> tuple[list[str], list[str]]:
    return [identity.kind for identity in identities], [identity.value for identity in identities]


async def create(connection: Connection, created: Mapping[UUID, str | None], linked: Mapping[Identity, UUID]) -> bool:
    """Insert new profiles and identities. False if another transaction has linked one of these identities, or has
    made one of these profiles another user's.

    In that case nothing may be kept: the caller rolls back and looks the identities up again.
    """
    items = [
        {"kind": identity.kind, "value": identity.value, "profile_id": linked[identity]} for identity in sorted(linked)
    ]
    async with connection.pipeline():
        await connection.execute(
            """
            INSERT INTO profiles (id, user_id)
            SELECT id, user_id FROM jsonb_to_recordset(%s) AS item (id uuid, user_id text) ORDER BY user_id, id
            ON CONFLICT DO NOTHING
            """,
            (Jsonb([{"id": id, "user_id": user_id} for id, user_id in created.items()]),),
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


async def restructure(connection: Connection, resolution: Resolution) -> None:
    """Give anonymous profiles their user id, and pour merged profiles into the ones that stay.

    Journeys of a merged profile go on under the one that stays; where both are in the same campaign with the same
    entry key, the one that stays keeps its journey and the caller has ended the other before.
    """
    await connection.execute(
        """
        UPDATE profiles SET user_id = item.user_id, updated_at = now()
        FROM jsonb_to_recordset(%s) AS item (id uuid, user_id text)
        WHERE profiles.id = item.id
        """,
        (Jsonb([{"id": id, "user_id": user_id} for id, user_id in resolution.claimed.items()]),),
    )
    if not resolution.merged:
        return
    merges = Jsonb([{"source": source, "target": target} for source, target in resolution.merged.items()])
    # The identities first: a batch that still holds one of them is waited for, and its events are seen below.
    for table in ("identities", "events", "journeys", "messages", "decisions", "conversions"):
        await connection.execute(
            f"""
            UPDATE {table} SET profile_id = item.target
            FROM jsonb_to_recordset(%s) AS item (source uuid, target uuid)
            WHERE {table}.profile_id = item.source
            """,  # noqa: S608 -- the table names are the constants above
            (merges,),
        )
    # What the known profile says wins; a refusal of either side stays a refusal.
    await connection.execute(
        """
        UPDATE profiles AS target
        SET traits = source.traits || target.traits,
            consent = source.consent || target.consent || source.refusals,
            suppressed = source.suppressed || target.suppressed,
            stage = COALESCE(target.stage, source.stage),
            updated_at = now()
        FROM (
          SELECT item.target,
                 COALESCE(jsonb_object_agg(key, value) FILTER (WHERE part = 'traits'), '{}') AS traits,
                 COALESCE(jsonb_object_agg(key, value) FILTER (WHERE part = 'consent'), '{}') AS consent,
                 COALESCE(jsonb_object_agg(key, value) FILTER (WHERE part = 'consent' AND value = 'false'), '{}')
                   AS refusals,
                 max(stage) AS stage,
                 COALESCE(jsonb_object_agg(key, value) FILTER (WHERE part = 'suppressed'), '{}') AS suppressed
          FROM jsonb_to_recordset(%s) AS item (source uuid, target uuid)
          JOIN profiles ON profiles.id = item.source
          CROSS JOIN LATERAL (
            SELECT 'traits' AS part, * FROM jsonb_each(traits)
            UNION ALL SELECT 'consent', * FROM jsonb_each(consent)
            UNION ALL SELECT 'suppressed', * FROM jsonb_each(suppressed)
          ) AS pair
          GROUP BY item.target
        ) AS source
        WHERE target.id = source.target
        """,
        (merges,),
    )
    await connection.execute("DELETE FROM profiles WHERE id = ANY(%s)", (list(resolution.merged),))


async def lock(connection: Connection, ids: Collection[UUID]) -> Asked[dict[UUID, Profile]]:
    """The profiles, locked in the order of their ids until the end of the transaction."""
    cursor = await connection.execute(
        """
        SELECT id, user_id, traits, consent, suppressed, stage, created_at FROM profiles
        WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE
        """,
        (sorted(ids),),
    )
    return Asked(cursor, lambda rows: {row["id"]: Profile(**row) for row in rows})


async def change(connection: Connection, changes: Sequence[ProfileChange]) -> None:
    """Apply what identifies reported to profiles that the caller has locked."""
    await connection.execute(
        """
        UPDATE profiles
        SET traits = profiles.traits || item.traits, consent = profiles.consent || item.consent, updated_at = now()
        FROM jsonb_to_recordset(%s) AS item (id uuid, traits jsonb, consent jsonb)
        WHERE profiles.id = item.id
        """,
        (Jsonb(changes),),
    )


async def set_stage(connection: Connection, profile_id: UUID, stage: str) -> None:
    """Set the lifecycle stage of a profile that the caller has locked."""
    await connection.execute("UPDATE profiles SET stage = %s, updated_at = now() WHERE id = %s", (stage, profile_id))


async def find(connection: Connection, user_or_anonymous_id: str) -> UUID | None:
    """The profile that a user id names, else the one that an anonymous id names."""
    cursor = await connection.execute(
        "SELECT profile_id FROM identities WHERE value = %s ORDER BY kind DESC LIMIT 1", (user_or_anonymous_id,)
    )
    row = await cursor.fetchone()
    return row["profile_id"] if row else None


async def traits(connection: Connection, profile_id: UUID) -> dict[str, Any]:
    """The traits of a profile; none where it has been merged into another meanwhile."""
    cursor = await connection.execute("SELECT traits FROM profiles WHERE id = %s", (profile_id,))
    row = await cursor.fetchone()
    return row["traits"] if row else {}


async def suppress(connection: Connection, profile_id: UUID, channel: str, reason: str) -> None:
    """Send nothing at all on a channel any more, and keep why."""
    await connection.execute(
        "UPDATE profiles SET suppressed = suppressed || %s, updated_at = now() WHERE id = %s",
        (Jsonb({channel: reason}), profile_id),
    )


async def lift(connection: Connection, profile_id: UUID, channel: str) -> None:
    """Allow a suppressed channel again."""
    await connection.execute(
        "UPDATE profiles SET suppressed = suppressed - %s::text, updated_at = now() WHERE id = %s",
        (channel, profile_id),
    )


class Recipient(Struct, frozen=True):
    """Whom a message went to: the user id, an anonymous id, and what they consent to by now."""

    user_id: str | None
    anonymous_id: str | None
    consent: dict[str, bool]


async def recipient(connection: Connection, message_id: UUID) -> Recipient | None:
    """Whom a message went to; None if there is no such message."""
    cursor = await connection.execute(
        """
        SELECT profiles.user_id, profiles.consent,
               (SELECT min(value) FROM identities
                WHERE identities.profile_id = profiles.id AND kind = 'anonymous') AS anonymous_id
        FROM messages JOIN profiles ON profiles.id = messages.profile_id WHERE messages.id = %s
        """,
        (message_id,),
    )
    row = await cursor.fetchone()
    return Recipient(**row) if row else None
