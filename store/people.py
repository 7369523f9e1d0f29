"""Reads of people: one with all that is known, and lists."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb

from domain.people.identity import Identity
from domain.people.profile import Profile
from store.addresses import OF_PROFILE
from store.database import Connection, PendingResult

# Profiles whose traits one page examines: some 20 ms where each has a kilobyte.
MAX_EXAMINED = 10_000
# The last changes of consent that are shown.
MAX_CONSENT_LOG = 100


# The kinds of ids that there are, by one index look-up each: the index of identities begins with the kind.
_KINDS: Final = """
WITH RECURSIVE kinds AS (
  SELECT min(kind) AS kind FROM identities
  UNION ALL
  SELECT (SELECT min(kind) FROM identities WHERE identities.kind > kinds.kind) FROM kinds WHERE kind IS NOT NULL
)
SELECT kind FROM kinds WHERE kind IS NOT NULL
"""


# The members of a segment; their index has the order of the profiles' ids.
_MEMBERS: Final = """
SELECT profile_id FROM segment_members
WHERE segment_id = (SELECT segments.id FROM segments WHERE key = %(segment)s AND retired_at IS NULL)
"""


class StoredPerson(Struct, frozen=True):
    """A profile with its addresses by channel, and their refusals with stamps."""

    profile: Profile
    updated_at: datetime
    addresses: dict[str, str]
    refusals: list[dict[str, Any]]


class ConsentChange(Struct, frozen=True):
    """A change of consent, subscription, suppression or refusals of an address.

    `proof` says how a consent was given: form, wording, and the keyed hash of the client's address.
    """

    at: datetime
    recorded_at: datetime
    part: str
    source: str
    source_id: str
    source_name: str | None
    changes: dict[str, Any]
    proof: dict[str, Any] | None


class ListedPerson(Struct, frozen=True):
    """A person in a list. `anonymous_id` is the first, of a person without a user id."""

    id: UUID
    user_id: str | None
    anonymous_id: str | None
    addresses: dict[str, str]
    stage: str | None
    created_at: datetime
    updated_at: datetime


class PersonFilter(Struct, frozen=True):
    """A filter whose given fields must all match.

    `id` is an id of any kind. `addresses` are the normalised forms by channel, one of which must match. `trait` is a
    name with the values that match.
    """

    id: str | None = None
    addresses: Mapping[str, str] | None = None
    trait: tuple[str, Sequence[Any]] | None = None
    stage: str | None = None
    segment: str | None = None


class PeoplePage(Struct, frozen=True):
    """People, newest first. `next` is the last profile examined, if there may be more."""

    people: list[ListedPerson]
    next: UUID | None


async def begin_read(connection: Connection, profile_id: UUID) -> PendingResult[StoredPerson | None]:
    """Read a profile in a pipeline; None if it is gone."""
    cursor = await connection.execute(
        f"""
        SELECT id, user_id, traits, consent AS consent_given, suppressed, stage AS stated_stage, created_at, context,
               preferences, said, claims, updated_at, addresses,
               COALESCE((SELECT jsonb_agg(to_jsonb(own)) FROM ({OF_PROFILE}) AS own), '[]') AS refusals
        FROM profiles WHERE id = %s
        """,  # noqa: S608 -- a constant
        (profile_id,),
    )

    def read(rows: Sequence[dict[str, Any]]) -> StoredPerson | None:
        if not rows:
            return None
        row = dict(rows[0])
        more = {name: row.pop(name) for name in ("updated_at", "addresses", "refusals")}
        return StoredPerson(Profile(**row), **more)

    return PendingResult(cursor, read)


async def begin_identities(connection: Connection, profile_id: UUID) -> PendingResult[list[Identity]]:
    """Read a person's identities in a pipeline, the user id first."""
    cursor = await connection.execute(
        "SELECT kind, value FROM identities WHERE profile_id = %s ORDER BY kind <> 'user', kind, value", (profile_id,)
    )
    return PendingResult(cursor, lambda rows: [Identity(row["kind"], row["value"]) for row in rows])


async def begin_consent_log(connection: Connection, profile_id: UUID) -> PendingResult[list[ConsentChange]]:
    """Read the last changes of consent in a pipeline, newest first."""
    cursor = await connection.execute(
        """
        SELECT at, recorded_at, part, source, source_id, source_name, changes, proof FROM profile_changes
        WHERE profile_id = %s AND part IN ('consent', 'preferences', 'suppressed', 'addresses')
        ORDER BY recorded_at DESC, id DESC LIMIT %s
        """,
        (profile_id, MAX_CONSENT_LOG),
    )
    return PendingResult(cursor, lambda rows: [ConsentChange(**row) for row in rows])


async def page(
    connection: Connection, which: PersonFilter, stages: Mapping[int, str], *, limit: int, after: UUID | None
) -> PeoplePage:
    """Return people below an id, newest first.

    `stages` are those of the life cycle, by segment. Ids, addresses and segments are looked up in indexes. Traits and
    stages have none, since each write would pay for it: a page examines MAX_EXAMINED profiles at most, and may have no
    match although there are more.
    """
    examined = MAX_EXAMINED if which.trait or which.stage is not None else limit
    name, values = which.trait or (None, ())
    cursor = await connection.execute(
        f"""
        WITH examined AS (
          SELECT id, {" AND ".join(_tests(which)) or "true"} AS is_match
          FROM {_source(which)} WHERE %(after)s::uuid IS NULL OR id < %(after)s ORDER BY id DESC LIMIT %(examined)s
        ), matched AS (
          SELECT id FROM examined WHERE is_match ORDER BY id DESC LIMIT %(limit)s
        ), ends AS (
          SELECT CASE WHEN (SELECT count(*) FROM matched) = %(limit)s
                      THEN (SELECT id FROM matched ORDER BY id LIMIT 1)
                      WHEN (SELECT count(*) FROM examined) = %(examined)s
                      THEN (SELECT id FROM examined ORDER BY id LIMIT 1) END AS next
        )
        SELECT ends.next, profiles.id, user_id, addresses, {_stage("profiles")} AS stage, created_at, updated_at,
               CASE WHEN user_id IS NULL
                    THEN (SELECT min(value) FROM identities WHERE profile_id = profiles.id AND kind = 'anonymous') END
                 AS anonymous_id
        FROM ends LEFT JOIN matched ON true LEFT JOIN profiles ON profiles.id = matched.id
        ORDER BY profiles.id DESC
        """,  # noqa: S608 -- of constants
        {
            "id": which.id,
            **{f"on_{channel}": Jsonb({channel: value}) for channel, value in (which.addresses or {}).items()},
            "trait": name,
            "values": [Jsonb(value) for value in values],
            "stage": which.stage,
            "segment": which.segment,
            "stages": Jsonb(stages) if stages else None,
            "after": after,
            "limit": limit,
            "examined": examined,
        },
    )
    rows = await cursor.fetchall()
    next = rows[0]["next"]
    people = [{name: value for name, value in row.items() if name != "next"} for row in rows if row["id"] is not None]
    return PeoplePage([ListedPerson(**person) for person in people], next)


def _source(which: PersonFilter) -> str:
    """Return the table, the members of a segment, or what an index finds.

    OFFSET prevents a walk back through all profiles by their ids, in the hope of meeting a match soon.
    """
    lookups = []
    if which.id is not None:
        lookups.append(
            f"id IN (SELECT profile_id FROM identities WHERE kind = ANY(ARRAY({_KINDS})) AND value = %(id)s)"  # noqa: S608 -- a constant
        )
    if which.addresses is not None:
        # One index condition each: an array of values has no use for the index.
        lookups.append(f"({' OR '.join(f'addresses @> %(on_{each})s' for each in which.addresses) or 'false'})")
    if which.segment is not None:
        if not lookups:
            return f"(SELECT profiles.* FROM ({_MEMBERS}) AS members JOIN profiles ON id = profile_id) AS found"  # noqa: S608
        lookups.append(f"id IN ({_MEMBERS})")
    if not lookups:
        return "profiles AS found"
    return f"(SELECT * FROM profiles WHERE {' AND '.join(lookups)} OFFSET 0) AS found"  # noqa: S608


def _stage(profiles: str) -> str:
    """Return an expression for the stage of a person: judged, or else stated."""
    return f"""
    CASE WHEN %(stages)s::jsonb IS NULL THEN {profiles}.stage
         ELSE (SELECT %(stages)s::jsonb ->> segment_id::text FROM segment_members
               WHERE profile_id = {profiles}.id AND %(stages)s::jsonb ? segment_id::text LIMIT 1) END
    """  # noqa: S608 -- a name of this module


def _tests(which: PersonFilter) -> list[str]:
    found = []
    if which.trait is not None:
        found.append("COALESCE(traits -> %(trait)s = ANY(%(values)s::jsonb[]), false)")
    if which.stage is not None:
        found.append(f"COALESCE({_stage('found')} = %(stage)s, false)")
    return found
