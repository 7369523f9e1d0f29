"""Accounts, and the people who are their members.

Lock order: profiles, addresses, accounts by id, journeys. The rows of a member are written under the locks of the
profile and the account.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb

from domain.people.account_view import AccountKey, AccountView
from domain.people.accounts import ADDED_USER, MEMBER, REMOVED_USER
from domain.people.registers import Registers, pack, unpack
from domain.tracking.event import Event, Trust
from domain.tracking.traits import ROLE
from store.database import Connection, PendingResult

# The account and the profile of a member.
MemberKey = tuple[str, UUID]


class StoredAccount(Struct, frozen=True):
    """An account with the stamps of its traits, and the number of its members."""

    id: str
    traits: Registers
    members: int
    created_at: datetime
    updated_at: datetime


class StoredMember(Struct, frozen=True):
    """A member of an account; `said` is the registers of the membership and the role."""

    account_id: str
    profile_id: UUID
    user_id: str | None
    anonymous_id: str | None
    said: Registers

    @property
    def role(self) -> str | None:
        """The role, if any call has stated one."""
        role: str | None = self.said.values.get(ROLE)
        return role

    @property
    def stated_at(self) -> datetime | None:
        """The time of the latest call that stated the membership."""
        return self.said.stamps[MEMBER].instant()


class MemberEvent(Struct, frozen=True):
    """An event that states a member, with its person and its arrival."""

    profile_id: UUID
    event: Event
    received_at: datetime


async def ensure(connection: Connection, ids: Collection[str]) -> None:
    """Insert missing accounts, so that they can be locked. Requires locked profiles."""
    await connection.execute(
        "INSERT INTO accounts (id) SELECT id FROM unnest(%s::text[]) AS item (id) ORDER BY id ON CONFLICT DO NOTHING",
        (sorted(ids),),
    )


async def lock(connection: Connection, ids: Collection[str]) -> PendingResult[dict[str, Registers]]:
    """Lock accounts by their ids, and return their traits. Requires `ensure`."""
    cursor = await connection.execute(
        "SELECT id, traits, said FROM accounts WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", (sorted(ids),)
    )
    return PendingResult(
        cursor, lambda rows: {row["id"]: Registers(row["traits"], unpack(row["said"])) for row in rows}
    )


async def find_latest(connection: Connection, latest: Mapping[UUID, int]) -> set[str]:
    """Return the accounts of locked people, for each as many of the latest as stated."""
    cursor = await connection.execute(
        """
        SELECT DISTINCT member.account_id
        FROM unnest(%s::uuid[], %s::int[]) AS item (profile_id, latest)
        CROSS JOIN LATERAL (
          SELECT account_id FROM account_members
          WHERE account_members.profile_id = item.profile_id AND is_member
          ORDER BY said_at DESC, account_id LIMIT item.latest
        ) AS member
        """,
        (list(latest), list(latest.values())),
    )
    return {row["account_id"] async for row in cursor}


async def find_member_ids(connection: Connection, ids: Collection[str], limit: int) -> list[UUID]:
    """Return the profiles of members of accounts, for each account the first `limit`."""
    cursor = await connection.execute(
        """
        SELECT DISTINCT member.profile_id FROM unnest(%s::text[]) AS item (id)
        CROSS JOIN LATERAL (
          SELECT profile_id FROM account_members WHERE account_id = item.id AND is_member ORDER BY profile_id LIMIT %s
        ) AS member
        """,
        (list(ids), limit),
    )
    return [row["profile_id"] async for row in cursor]


async def find_all_ids(connection: Connection, account_id: str) -> list[UUID]:
    """Return the profiles of the members of an account, and of those who have left."""
    cursor = await connection.execute("SELECT profile_id FROM account_members WHERE account_id = %s", (account_id,))
    return [row["profile_id"] async for row in cursor]


async def find_shared(connection: Connection, ids: Collection[str]) -> set[str]:
    """Return those of these accounts that have several members."""
    cursor = await connection.execute(
        """
        SELECT item.id FROM unnest(%s::text[]) AS item (id)
        WHERE 1 < (SELECT count(*) FROM (
          SELECT FROM account_members WHERE account_id = item.id AND is_member LIMIT 2) AS first_two)
        """,
        (list(ids),),
    )
    return {row["id"] async for row in cursor}


async def filter_members(connection: Connection, account_id: str, profile_ids: Collection[UUID]) -> set[UUID]:
    """Return those of locked people who are members of an account."""
    cursor = await connection.execute(
        "SELECT profile_id FROM account_members WHERE account_id = %s AND is_member AND profile_id = ANY(%s)",
        (account_id, list(profile_ids)),
    )
    return {row["profile_id"] async for row in cursor}


async def read_members(
    connection: Connection, members: Collection[MemberKey]
) -> PendingResult[dict[MemberKey, Registers]]:
    """Return the registers of members. A separate statement, after the locks."""
    cursor = await connection.execute(
        """
        SELECT account_id, profile_id, is_member, role, said FROM account_members
        JOIN unnest(%s::text[], %s::uuid[]) AS wanted (account_id, profile_id) USING (account_id, profile_id)
        """,
        ([account_id for account_id, _ in members], [profile_id for _, profile_id in members]),
    )
    return PendingResult(cursor, lambda rows: {_key(row): _registers(row) for row in rows})


async def read_members_of(connection: Connection, profile_ids: Collection[UUID]) -> dict[MemberKey, Registers]:
    """Return the registers of all memberships of locked people."""
    cursor = await connection.execute(
        "SELECT account_id, profile_id, is_member, role, said FROM account_members WHERE profile_id = ANY(%s)",
        (list(profile_ids),),
    )
    return {_key(row): _registers(row) async for row in cursor}


async def write(connection: Connection, accounts: Mapping[str, Registers]) -> None:
    """Replace the traits of locked accounts."""
    items = [{"id": id, "traits": one.values, "said": pack(one.stamps)} for id, one in sorted(accounts.items())]
    await connection.execute(
        """
        UPDATE accounts SET traits = item.traits, said = item.said, updated_at = now()
        FROM jsonb_to_recordset(%s) AS item (id text, traits jsonb, said jsonb) WHERE accounts.id = item.id
        """,
        (Jsonb(items),),
    )


async def write_members(connection: Connection, members: Mapping[MemberKey, Registers]) -> None:
    """Insert or replace the registers of members."""
    items = [
        {
            "account_id": account_id,
            "profile_id": profile_id,
            "is_member": one.values[MEMBER],
            "role": one.values.get(ROLE),
            "said": pack(one.stamps),
            "said_at": one.stamps[MEMBER].at,
        }
        for (account_id, profile_id), one in sorted(members.items())
    ]
    await connection.execute(
        """
        INSERT INTO account_members (account_id, profile_id, is_member, role, said, said_at)
        SELECT account_id, profile_id, is_member, role, said, said_at FROM jsonb_to_recordset(%s) AS item (
          account_id text, profile_id uuid, is_member boolean, role text, said jsonb, said_at bigint)
        ON CONFLICT (account_id, profile_id) DO UPDATE
        SET is_member = excluded.is_member, role = excluded.role, said = excluded.said, said_at = excluded.said_at
        """,
        (Jsonb(items),),
    )


async def delete_members_of(connection: Connection, profile_ids: Collection[UUID]) -> None:
    """Delete the memberships of locked people."""
    await connection.execute("DELETE FROM account_members WHERE profile_id = ANY(%s)", (list(profile_ids),))


async def views(connection: Connection, keys: Iterable[AccountKey]) -> dict[AccountKey, AccountView]:
    """Return the accounts of events as conditions see them, where there are any."""
    wanted = [{"profile_id": profile_id, "named": named} for profile_id, named in keys]
    cursor = await connection.execute(
        """
        SELECT item.profile_id, item.named, accounts.id, accounts.traits, member.role
        FROM jsonb_to_recordset(%s) AS item (profile_id uuid, named text)
        LEFT JOIN LATERAL (
          SELECT account_id FROM account_members
          WHERE account_members.profile_id = item.profile_id AND is_member
          ORDER BY said_at DESC, account_id LIMIT 1
        ) AS latest ON item.named IS NULL
        JOIN accounts ON accounts.id = COALESCE(item.named, latest.account_id)
        LEFT JOIN account_members AS member
          ON member.account_id = accounts.id AND member.profile_id = item.profile_id AND member.is_member
        """,
        (Jsonb(wanted),),
    )
    return {
        (row["profile_id"], row["named"]): AccountView(row["id"], row["role"], row["traits"]) async for row in cursor
    }


async def find(connection: Connection, account_id: str) -> StoredAccount | None:
    """Return an account; None if no call has named it."""
    cursor = await connection.execute(
        """
        SELECT id, traits, said, created_at, updated_at,
               (SELECT count(*) FROM account_members WHERE account_id = accounts.id AND is_member) AS members
        FROM accounts WHERE id = %s
        """,
        (account_id,),
    )
    if (row := await cursor.fetchone()) is None:
        return None
    traits = Registers(row["traits"], unpack(row["said"]))
    return StoredAccount(row["id"], traits, row["members"], row["created_at"], row["updated_at"])


async def page_of_members(
    connection: Connection, account_id: str, *, role: str | None, limit: int, after: UUID | None
) -> list[StoredMember]:
    """Return the members of an account in the order of their profiles, after one."""
    cursor = await connection.execute(
        f"""
        {_MEMBERS}
        WHERE account_id = %(id)s AND is_member AND (%(role)s::text IS NULL OR role = %(role)s)
          AND (%(after)s::uuid IS NULL OR profile_id > %(after)s)
        ORDER BY profile_id LIMIT %(limit)s
        """,
        {"id": account_id, "role": role, "after": after, "limit": limit},
    )
    return [_member(row) async for row in cursor]


async def begin_of_profile(connection: Connection, profile_id: UUID, limit: int) -> PendingResult[list[StoredMember]]:
    """Read the accounts of a person in a pipeline, the latest stated first."""
    cursor = await connection.execute(
        f"{_MEMBERS} WHERE profile_id = %s AND is_member ORDER BY said_at DESC, account_id LIMIT %s",
        (profile_id, limit),
    )
    return PendingResult(cursor, lambda rows: [_member(row) for row in rows])


async def member_events(connection: Connection, profile_ids: Collection[UUID], since: datetime) -> list[MemberEvent]:
    """Return the events of people that may state a member of an account.

    None arrived before `since`.
    """
    cursor = await connection.execute(
        """
        SELECT id, profile_id, source, message_id, type, name, user_id, anonymous_id, group_id, properties, context,
               timestamp, reported_timestamp, is_history, trust, received_at
        FROM events
        WHERE profile_id = ANY(%s) AND trust <> 'unverified' AND received_at >= %s
          AND (type = 'group' OR type = 'track' AND name = ANY(%s))
        """,
        (list(profile_ids), since, [ADDED_USER, REMOVED_USER]),
    )
    found = []
    async for row in cursor:
        profile_id, received_at = row.pop("profile_id"), row.pop("received_at")
        found.append(MemberEvent(profile_id, Event(**{**row, "trust": Trust(row["trust"])}), received_at))
    return found


_MEMBERS = """
SELECT account_id, profile_id, profiles.user_id, is_member, role, account_members.said,
       CASE WHEN profiles.user_id IS NULL
            THEN (SELECT min(value) FROM identities
                  WHERE identities.profile_id = profiles.id AND kind = 'anonymous') END AS anonymous_id
FROM account_members JOIN profiles ON profiles.id = account_members.profile_id
"""


def _key(row: Mapping[str, Any]) -> MemberKey:
    return row["account_id"], row["profile_id"]


def _registers(row: Mapping[str, Any]) -> Registers:
    stamps = unpack(row["said"])
    values = {MEMBER: row["is_member"], ROLE: row["role"]}
    return Registers({name: value for name, value in values.items() if name in stamps}, stamps)


def _member(row: Mapping[str, Any]) -> StoredMember:
    return StoredMember(row["account_id"], row["profile_id"], row["user_id"], row["anonymous_id"], _registers(row))
