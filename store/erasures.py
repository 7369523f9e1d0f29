"""Erasures of people: the cut from their ids, pages of rows, and hashes.

Lock order: registry, identities, profile, all addresses (by their erasure lock), accounts, journeys.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct, convert
from psycopg.types.json import Jsonb

from domain.people.address_statements import Address
from domain.people.erasure import CREATED_WHEN_ERASED, ErasurePhase
from domain.people.identity import IDENTITY_KINDS, Identity, PersonRef
from store.account_journeys import BEGAN_BY
from store.campaigns import REGISTRY_LOCK
from store.database import Connection, PendingResult
from store.personal_data import PersonalTable
from store.tables import metadata


class Erasure(Struct, frozen=True):
    """An erasure under way.

    `addresses` are all that the person has had, once their refusals are kept.
    """

    operation_id: UUID
    profile_id: UUID
    identities: list[Identity]
    addresses: list[Address]
    erased_at: datetime
    phase: ErasurePhase = "deleting_workflows"

    @property
    def values(self) -> list[str]:
        """The ids of the person."""
        return [identity.value for identity in self.identities] + [str(self.profile_id)]


class OwnJourney(Struct, frozen=True):
    """A journey of the person, and its workflow."""

    id: UUID
    workflow_id: str


async def begin(connection: Connection) -> None:
    """Make sure that every event under way, or later, looks erased ids up.

    Events look only while there are some: the first is added while none is under way, and the last one stays until this
    transaction has added its own.
    """
    cursor = await connection.execute("SELECT FROM erased_ids ORDER BY erased_at DESC LIMIT 1 FOR KEY SHARE")
    if await cursor.fetchone() is None:
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (REGISTRY_LOCK,))


async def lock_identities(connection: Connection, profile_id: UUID) -> list[Identity] | None:
    """Lock all identities of a profile, so that no event is taken for it any more.

    Events that name one of them are waited for. None if they changed meanwhile: others would then be locked out of
    order, so the caller rolls back and begins again.
    """
    of_profile = "SELECT kind, value FROM identities WHERE profile_id = %s ORDER BY kind, value"
    cursor = await connection.execute(f"{of_profile} FOR UPDATE", (profile_id,))
    locked = [Identity(row["kind"], row["value"]) async for row in cursor]
    cursor = await connection.execute(of_profile, (profile_id,))
    return locked if [Identity(row["kind"], row["value"]) async for row in cursor] == locked else None


async def lock_addresses(connection: Connection, profile_id: UUID) -> list[Address]:
    """Lock a profile against the gate and all else; return its present addresses."""
    cursor = await connection.execute("SELECT addresses FROM profiles WHERE id = %s FOR UPDATE", (profile_id,))
    row = await cursor.fetchone()
    return list(row["addresses"].items()) if row else []


async def lock_journeys(
    connection: Connection, profile_id: UUID, account_ids: Collection[str], values: Collection[str]
) -> list[OwnJourney]:
    """Lock the journeys of a locked profile; return the active ones of the person.

    Those of locked accounts are locked as well, if the person has them or began them; `values` are the person's ids.
    """
    cursor = await connection.execute(
        f"""
        SELECT id, workflow_id, account_id FROM journeys
        WHERE profile_id = %(profile_id)s AND account_id IS NULL AND state = 'active'
           OR account_id = ANY(%(accounts)s) AND (profile_id = %(profile_id)s OR {BEGAN_BY})
        ORDER BY id FOR UPDATE
        """,  # noqa: S608 -- a constant of the store
        {"profile_id": profile_id, "accounts": list(account_ids), "values": list(values)},
    )
    return [OwnJourney(row["id"], row["workflow_id"]) async for row in cursor if row["account_id"] is None]


async def insert(connection: Connection, erasure: Erasure) -> None:
    """Begin an erasure: cut the locked profile from its ids, and take its values away.

    An event that names one of the ids later makes a new person. The profile stays for its rows until the last page. Its
    `created_at` is after every clock, so that no audience has known it.
    """
    await connection.execute(
        """
        WITH cut AS (DELETE FROM identities WHERE profile_id = %(profile_id)s RETURNING kind, value),
        left_accounts AS (DELETE FROM account_members WHERE profile_id = %(profile_id)s),
        computed AS (DELETE FROM profile_states WHERE profile_id = %(profile_id)s),
        left_segments AS (DELETE FROM segment_members WHERE profile_id = %(profile_id)s),
        remembered AS (
          INSERT INTO erased_ids (hash, erased_at, operation_id)
          SELECT keyed_hash(kind, value), %(erased_at)s, %(operation_id)s FROM cut ORDER BY 1
          ON CONFLICT (hash) DO UPDATE
          SET erased_at = greatest(erased_ids.erased_at, excluded.erased_at), operation_id = excluded.operation_id
        )
        UPDATE profiles
        SET user_id = NULL, traits = '{}', consent = '{}', suppressed = '{}', preferences = '{}', context = '{}',
            said = '{}', addresses = '{}', claims = '{}', stage = NULL, created_at = %(created_at)s
        WHERE id = %(profile_id)s
        """,
        {
            "profile_id": erasure.profile_id,
            "erased_at": erasure.erased_at,
            "operation_id": erasure.operation_id,
            "created_at": CREATED_WHEN_ERASED,
        },
    )
    await connection.execute(
        """
        INSERT INTO erasures (operation_id, profile_id, identities, addresses, erased_at) VALUES (%s, %s, %s, %s, %s)
        """,
        (
            erasure.operation_id,
            erasure.profile_id,
            Jsonb(erasure.identities),
            Jsonb(erasure.addresses),
            erasure.erased_at,
        ),
    )


async def find(connection: Connection, operation_id: UUID) -> Erasure | None:
    """Return an erasure under way, and lock its profile against late decisions."""
    cursor = await connection.execute("SELECT * FROM erasures WHERE operation_id = %s", (operation_id,))
    if (row := await cursor.fetchone()) is None:
        return None
    await connection.execute("SELECT FROM profiles WHERE id = %s FOR UPDATE", (row["profile_id"],))
    return convert(row, Erasure)


async def hash_id(connection: Connection, identity: Identity) -> str:
    """Return the keyed hash that stands for an erased person in other rows."""
    cursor = await connection.execute(
        "SELECT encode(keyed_hash(%s, %s), 'hex') AS hash", (identity.kind, identity.value)
    )
    row = await cursor.fetchone()
    return f"erased:{row['hash'][:32]}" if row else "erased"


async def find_erased_ids(
    connection: Connection, identities: Collection[Identity]
) -> PendingResult[dict[Identity, datetime]]:
    """Return when the people of these ids were erased, of those that are remembered.

    A separate statement after the identities are locked: it sees the erasure that was waited for.
    """
    cursor = await connection.execute(
        """
        SELECT kind, value, erased_at
        FROM unnest(%s::text[], %s::text[]) AS named (kind, value) JOIN erased_ids ON hash = keyed_hash(kind, value)
        """,
        ([identity.kind for identity in identities], [identity.value for identity in identities]),
    )
    return PendingResult(cursor, lambda rows: {Identity(row["kind"], row["value"]): row["erased_at"] for row in rows})


async def forget_ids(connection: Connection, lifetime: timedelta) -> None:
    """Delete the hashes of ids that were erased long ago."""
    await connection.execute("DELETE FROM erased_ids WHERE erased_at < now() + clock_ahead() - %s", (lifetime,))


async def is_sending(connection: Connection, profile_id: UUID, patience: timedelta) -> bool:
    """Return whether a message of the person is being handed over.

    An attempt that has taken longer than `patience` is dead.
    """
    cursor = await connection.execute(
        """
        SELECT FROM messages
        WHERE profile_id = %s AND state = 'sending' AND claimed_at > clock_timestamp() - %s::interval LIMIT 1
        """,
        (profile_id, patience),
    )
    return await cursor.fetchone() is not None


async def journeys_after(connection: Connection, profile_id: UUID, after: UUID | None, limit: int) -> list[OwnJourney]:
    """Return the person's next journeys in the order of their ids."""
    cursor = await connection.execute(
        "SELECT id, workflow_id FROM journeys WHERE profile_id = %s AND id > %s ORDER BY id LIMIT %s",
        (profile_id, after or UUID(int=0), limit),
    )
    return [OwnJourney(**row) async for row in cursor]


async def find_used_addresses(connection: Connection, profile_id: UUID) -> set[Address]:
    """Return the addresses to which messages of the person were handed over."""
    cursor = await connection.execute(
        """
        SELECT channel, address FROM messages WHERE profile_id = %(id)s AND address IS NOT NULL
        UNION SELECT messages.channel, deliveries.address
        FROM deliveries JOIN messages ON messages.id = deliveries.message_id WHERE profile_id = %(id)s
        """,
        {"id": profile_id},
    )
    return {(row["channel"], row["address"]) async for row in cursor}


async def changed_traits(connection: Connection, profile_id: UUID) -> list[dict[str, Any]]:
    """Return the recorded changes of the person's traits."""
    cursor = await connection.execute(
        "SELECT changes FROM profile_changes WHERE profile_id = %s AND part = 'traits'", (profile_id,)
    )
    return [row["changes"] async for row in cursor]


async def store_addresses(connection: Connection, erasure: Erasure, addresses: Collection[Address]) -> None:
    """Store all addresses that the person has had."""
    await connection.execute(
        "UPDATE erasures SET addresses = %s WHERE operation_id = %s",
        (Jsonb(sorted(addresses)), erasure.operation_id),
    )


async def enter(connection: Connection, erasure: Erasure, phase: ErasurePhase) -> None:
    """Let the next page of an erasure begin a phase."""
    await connection.execute("UPDATE erasures SET phase = %s WHERE operation_id = %s", (phase, erasure.operation_id))


async def delete_page(connection: Connection, table: PersonalTable, parameters: Mapping[str, Any], limit: int) -> int:
    """Delete some of the person's rows of a table; return their number."""
    key = ", ".join(column.name for column in metadata.tables[table.name].primary_key)
    page = f"SELECT {key} FROM {table.name} WHERE {table.where} LIMIT %(limit)s"  # noqa: S608 -- names of the schema
    cursor = await connection.execute(
        f"DELETE FROM {table.name} WHERE ({key}) IN ({page})",  # noqa: S608
        {**parameters, "limit": limit},
    )
    return cursor.rowcount


async def delete_person(connection: Connection, erasure: Erasure) -> None:
    """Delete the profile. The erasure keeps the profile's id alone."""
    await connection.execute("DELETE FROM profiles WHERE id = %s", (erasure.profile_id,))
    await connection.execute(
        "UPDATE erasures SET identities = '[]', addresses = '[]' WHERE operation_id = %s", (erasure.operation_id,)
    )


async def is_copied_away(connection: Connection, erasure: Erasure, consumer: str) -> bool:
    """Return whether a consumer of the stream has processed the deletion."""
    cursor = await connection.execute(
        """
        SELECT FROM moved_profiles AS own
        JOIN moved_profiles AS moved ON moved.recorded_xid = own.recorded_xid
        LEFT JOIN stream_consumers AS reader ON reader.name = %(consumer)s
        WHERE own.source_id = %(profile_id)s AND own.outcome = 'erased'
          AND (reader.name IS NULL OR moved.recorded_xid > reader.xid
               OR (moved.recorded_xid = reader.xid AND (reader.kind <> 'profile' OR moved.id > reader.id)))
        LIMIT 1
        """,
        {"consumer": consumer, "profile_id": erasure.profile_id},
    )
    return await cursor.fetchone() is None


async def finish(connection: Connection, erasure: Erasure) -> None:
    """Delete the erasure itself."""
    await connection.execute("DELETE FROM erasures WHERE operation_id = %s", (erasure.operation_id,))


async def find_operation(connection: Connection, person: PersonRef) -> UUID | None:
    """Return the operation that erased this person, while the id is remembered."""
    kinds = [person.kind] if person.kind else list(IDENTITY_KINDS)
    cursor = await connection.execute(
        """
        SELECT operation_id FROM unnest(%s::text[]) AS kind JOIN erased_ids ON hash = keyed_hash(kind, %s)
        WHERE operation_id IS NOT NULL ORDER BY kind DESC LIMIT 1
        """,
        (kinds, person.id),
    )
    row = await cursor.fetchone()
    return row["operation_id"] if row else None


def parameters_of(erasure: Erasure, texts: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of the conditions of personal tables."""
    return {
        "profile_id": erasure.profile_id,
        "values": erasure.values,
        "texts": list(texts),
        "channels": [channel for channel, _ in erasure.addresses],
        "addresses": [value for _, value in erasure.addresses],
    }
