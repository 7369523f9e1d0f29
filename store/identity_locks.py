"""Identities by which clients name people, looked up and locked."""

from collections import Counter
from collections.abc import Collection

from domain.people.identity import IDENTITY_KINDS, Identity, Known, is_external
from store.database import Connection, PendingResult

_IDENTITIES = """
SELECT identity.kind, identity.value, identity.profile_id{and_more}
FROM identities AS identity
JOIN unnest(%s::text[], %s::text[]) AS wanted (kind, value) USING (kind, value)
ORDER BY identity.kind, identity.value
FOR {strength} OF identity
"""
# A person with a user id is not anonymous, and needs no look-up. A statement that waited for a lock reads the locked
# row anew, but other tables as they were before, so this is a hint.
_FIND = _IDENTITIES.format(
    strength="SHARE",
    and_more=""",
       identity.kind = 'anonymous'
         AND (SELECT user_id IS NULL FROM profiles WHERE profiles.id = identity.profile_id) AS is_anonymous""",
)
# With all identities of anonymous profiles, which may be claimed or merged, and of all profiles if `whole`.
_LOCK = """
WITH wanted AS (SELECT * FROM unnest(%(kinds)s::text[], %(values)s::text[]) AS wanted (kind, value)),
near AS (
  SELECT profiles.id FROM wanted JOIN identities USING (kind, value) JOIN profiles ON profiles.id = profile_id
  WHERE user_id IS NULL OR %(whole)s
), keys AS (
  SELECT kind, value FROM wanted UNION SELECT kind, value FROM identities JOIN near ON near.id = profile_id
)
SELECT identity.kind, identity.value, identity.profile_id
FROM identities AS identity JOIN keys USING (kind, value)
ORDER BY identity.kind, identity.value
FOR UPDATE OF identity
"""
_LOCKED = """
SELECT id, user_id IS NULL AS is_anonymous, count(*) AS identities,
       count(*) FILTER (WHERE kind <> ALL(%(named)s)) AS external_ids
FROM profiles JOIN identities ON profile_id = profiles.id
WHERE profiles.id = ANY(%(ids)s) AND (user_id IS NULL OR %(whole)s) GROUP BY profiles.id
"""


async def find_identities(
    connection: Connection, identities: Collection[Identity]
) -> PendingResult[dict[Identity, Known]]:
    """Return the profiles of existing identities, which stay theirs until the commit.

    `is_anonymous` may be outdated: another transaction may just have made the profile a user's. It does not permit a
    claim or a merge; `lock_identities` does.
    """
    cursor = await connection.execute(_FIND, _pairs(identities))
    return PendingResult(
        cursor,
        lambda rows: {
            Identity(row["kind"], row["value"]): Known(row["profile_id"], bool(row["is_anonymous"])) for row in rows
        },
    )


async def find_claimed(connection: Connection, anonymous_ids: Collection[str]) -> PendingResult[set[str]]:
    """Return the anonymous ids whose person has a user id.

    After `find_identities`, in the same transaction: the ids are locked, and this statement sees what was committed
    before.
    """
    cursor = await connection.execute(
        """
        SELECT identities.value FROM identities JOIN profiles ON profiles.id = identities.profile_id
        WHERE identities.kind = 'anonymous' AND identities.value = ANY(%s) AND profiles.user_id IS NOT NULL
        """,
        (list(anonymous_ids),),
    )
    return PendingResult(cursor, lambda rows: {row["value"] for row in rows})


async def lock_identities(connection: Connection, identities: Collection[Identity]) -> dict[Identity, Known] | None:
    """Lock the identities' profiles, so that the caller may claim and merge them.

    Whether a profile is anonymous, and how many external ids it has, is read after the locks, in a separate snapshot,
    and stays so until the commit: changing it needs the lock of one of its identities, and all of them are locked.
    None if a profile got another identity meanwhile; the caller must then roll back and try again.
    """
    kinds, values = _pairs(identities)
    whole = any(is_external(identity) for identity in identities)
    cursor = await connection.execute(_LOCK, {"kinds": kinds, "values": values, "whole": whole})
    rows = await cursor.fetchall()
    locked = Counter(row["profile_id"] for row in rows)
    cursor = await connection.execute(_LOCKED, {"ids": list(locked), "named": list(IDENTITY_KINDS), "whole": whole})
    found = {row["id"]: row for row in await cursor.fetchall()}
    if any(row["identities"] != locked[id] for id, row in found.items()):
        return None
    wanted = set(identities)
    known = {}
    for row in rows:
        identity, profile = Identity(row["kind"], row["value"]), found.get(row["profile_id"])
        if identity in wanted:
            is_anonymous = profile is not None and profile["is_anonymous"]
            known[identity] = Known(row["profile_id"], is_anonymous, profile["external_ids"] if profile else 0)
    return known


def _pairs(identities: Collection[Identity]) -> tuple[list[str], list[str]]:
    return [identity.kind for identity in identities], [identity.value for identity in identities]
