"""Journeys of accounts, handed over from members who leave to others."""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb

from store.accounts import MemberKey
from store.database import Connection


class HandedOver(Struct, frozen=True):
    """A journey whose person has left the account. `heir` is None without any member."""

    id: UUID
    workflow_id: str
    heir: UUID | None


# The member known for the longest: ids of profiles begin with the time. One who is being erased is passed over.
_HEIRS = """
heirs AS (
  SELECT account.account_id, member.profile_id FROM (SELECT DISTINCT account_id FROM mine) AS account
  CROSS JOIN LATERAL (
    SELECT profiles.id AS profile_id FROM account_members JOIN profiles ON profiles.id = account_members.profile_id
    WHERE account_members.account_id = account.account_id AND is_member
    ORDER BY account_members.profile_id LIMIT 1 FOR KEY SHARE OF profiles SKIP LOCKED
  ) AS member
)
"""
_HAND_OVER = f"""
WITH left_by AS (SELECT * FROM unnest(%(accounts)s::text[], %(profiles)s::uuid[]) AS item (account_id, profile_id)),
mine AS (
  SELECT journeys.id, journeys.workflow_id, journeys.account_id
  FROM journeys JOIN left_by USING (account_id, profile_id)
  WHERE journeys.state = 'active' ORDER BY journeys.id FOR UPDATE OF journeys
), {_HEIRS}, handed AS (
  UPDATE journeys SET profile_id = heirs.profile_id
  FROM mine JOIN heirs USING (account_id) WHERE journeys.id = mine.id
)
SELECT mine.id, mine.workflow_id, heirs.profile_id AS heir FROM mine LEFT JOIN heirs USING (account_id) ORDER BY mine.id
"""  # noqa: S608 -- a constant


async def hand_over(connection: Connection, left: Collection[MemberKey]) -> list[HandedOver]:
    """Hand over the active journeys of these members to the first one of each account.

    The caller has locked the accounts, and written who their members are.
    """
    parameters = {"accounts": [account for account, _ in left], "profiles": [profile for _, profile in left]}
    cursor = await connection.execute(_HAND_OVER, parameters)
    return [HandedOver(**row) async for row in cursor]


async def find_strangers(connection: Connection, profile_ids: Collection[UUID]) -> set[MemberKey]:
    """Return the accounts with active journeys of people who have left them."""
    cursor = await connection.execute(
        """
        SELECT DISTINCT account_id, profile_id FROM journeys
        WHERE profile_id = ANY(%s) AND state = 'active' AND account_id IS NOT NULL AND NOT EXISTS (
          SELECT FROM account_members
          WHERE account_members.account_id = journeys.account_id AND is_member
            AND account_members.profile_id = journeys.profile_id)
        """,
        (list(profile_ids),),
    )
    return {(row["account_id"], row["profile_id"]) async for row in cursor}


async def find_emptied(connection: Connection, profile_ids: Collection[UUID], since: datetime) -> list[UUID]:
    """Return the journeys that ended without members, if their person is one again."""
    cursor = await connection.execute(
        """
        SELECT journeys.id FROM journeys JOIN account_members USING (account_id, profile_id)
        WHERE profile_id = ANY(%s) AND outcome = 'account_empty' AND ended_recorded_at >= %s AND is_member
        """,
        (list(profile_ids), since),
    )
    return [row["id"] async for row in cursor]


async def find_accounts(connection: Connection, profile_ids: Collection[UUID]) -> set[str]:
    """Return the accounts of locked people, and those whose journeys they have."""
    cursor = await connection.execute(
        """
        SELECT account_id FROM account_members WHERE profile_id = ANY(%(ids)s)
        UNION SELECT account_id FROM journeys WHERE profile_id = ANY(%(ids)s) AND account_id IS NOT NULL
        """,
        {"ids": list(profile_ids)},
    )
    return {row["account_id"] async for row in cursor}


# Whether a person's ids are in the event by which a journey began.
BEGAN_BY: Final = "(entry ->> 'user_id' = ANY(%(values)s) OR entry ->> 'anonymous_id' = ANY(%(values)s))"


class OfErased(Struct, frozen=True):
    """A journey of an account that a person who is being erased has, or began.

    `heir` is who has it next: a member, or for one that is over another recipient of its messages; None without either.
    """

    id: UUID
    workflow_id: str
    is_active: bool
    began: bool
    is_keyed: bool
    heir: UUID | None


async def find_of_erased(
    connection: Connection, profile_id: UUID, account_ids: Collection[str], values: Collection[str]
) -> list[OfErased]:
    """Return the journeys of locked accounts that a person has, or began.

    `values` are the ids of the person, whose memberships are deleted.
    """
    cursor = await connection.execute(
        f"""
        WITH mine AS (
          SELECT * FROM journeys WHERE account_id = ANY(%(accounts)s) AND (profile_id = %(profile_id)s OR {BEGAN_BY})
        ), {_HEIRS}
        SELECT mine.id, mine.workflow_id, mine.state = 'active' AS is_active, {BEGAN_BY} AS began,
               entry_key <> '' AS is_keyed,
               CASE WHEN mine.profile_id <> %(profile_id)s THEN mine.profile_id
                    ELSE COALESCE(heirs.profile_id, (
                      SELECT messages.profile_id FROM messages
                      WHERE messages.journey_id = mine.id AND messages.profile_id <> %(profile_id)s
                        AND mine.state <> 'active'
                      ORDER BY messages.profile_id LIMIT 1)) END AS heir
        FROM mine LEFT JOIN heirs USING (account_id)
        """,  # noqa: S608 -- constants
        {"profile_id": profile_id, "accounts": list(account_ids), "values": list(values)},
    )
    return [OfErased(**row) async for row in cursor]


async def part_from(connection: Connection, profile_id: UUID, journeys: Collection[OfErased]) -> None:
    """Give journeys to their heirs, without what the erased person has said.

    The event by which one began loses its ids, properties and context. The caller has ended those that cannot go on.
    """
    await connection.execute(
        """
        UPDATE journeys
        SET profile_id = COALESCE(item.heir, journeys.profile_id), saved = '{}',
            entry = CASE WHEN began THEN entry || '{"user_id": null, "anonymous_id": null, "previous_id": null,
                                                    "external_ids": [], "properties": {}, "context": {}}'
                         ELSE entry END,
            entry_key = CASE WHEN began THEN '' ELSE entry_key END
        FROM jsonb_to_recordset(%s) AS item (id uuid, heir uuid, began boolean)
        WHERE journeys.id = item.id
        """,
        (Jsonb([{"id": one.id, "heir": one.heir, "began": one.began} for one in journeys]),),
    )
    await connection.execute(
        """
        WITH moved AS (
          UPDATE decisions SET profile_id = journeys.profile_id, data = '{}'
          FROM journeys WHERE decisions.profile_id = %(profile_id)s AND decisions.journey_id = journeys.id
            AND journeys.id = ANY(%(ids)s) AND journeys.profile_id <> %(profile_id)s AND kind = 'split'
        )
        UPDATE conversions SET profile_id = journeys.profile_id
        FROM journeys WHERE conversions.profile_id = %(profile_id)s AND conversions.journey_id = journeys.id
          AND journeys.id = ANY(%(ids)s) AND journeys.profile_id <> %(profile_id)s
        """,
        {"profile_id": profile_id, "ids": [one.id for one in journeys]},
    )
