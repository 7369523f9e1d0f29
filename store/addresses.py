"""Addresses and their refusals, independent of profiles.

Lock order: identities, profiles, addresses by channel, app and value, journeys, messages. Each kind is locked by its
ids, and all of one kind at once.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.people.address_statements import Address
from domain.people.erasure import REFUSED_BEFORE
from domain.people.registers import Registers, pack, unpack
from store.database import Connection, PendingResult

# Shared by transactions that name addresses; an erasure holds it alone while it turns refusals into hashes.
ERASURE_LOCK = 0x53_4F_4A_45
# The hash of an address: its channel and its app are part of what is hashed.
_HASH = "keyed_hash('address/' || {0}.channel || '/' || {0}.app, {0}.value)"

# One look-up for each profile: the planner expects a hundred rows of a jsonb object, and would read all addresses.
OF_PROFILE = """
SELECT own.key AS channel, found.refusals, found.said
FROM jsonb_each_text(profiles.addresses) AS own
CROSS JOIN LATERAL (
  SELECT refusals, said FROM addresses
  WHERE channel = own.key AND app = '' AND addresses.value = own.value AND refusals <> '{}' LIMIT 1
) AS found
"""
# The refusals of a profile's addresses, by channel: an expression for statements that read `profiles`.
REFUSED_OF_PROFILE = f"""
COALESCE((SELECT jsonb_object_agg(channel, refusals) FROM ({OF_PROFILE}) AS of_profile), '{{}}')
"""  # noqa: S608 -- a constant of this module


async def ensure(connection: Connection, addresses: Collection[Address]) -> None:
    """Insert missing rows, so that the gate can lock them. Requires locked profiles.

    The refusals of an erased person return to an address that is named again.
    """
    ordered = sorted(addresses)
    named = ([channel for channel, _ in ordered], [value for _, value in ordered])
    await connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (ERASURE_LOCK,))
    await connection.execute(
        """
        INSERT INTO addresses (channel, value)
        SELECT * FROM unnest(%s::text[], %s::text[]) AS item (channel, value) ORDER BY channel, value
        ON CONFLICT DO NOTHING
        """,
        named,
    )
    await connection.execute(_RETURN_REFUSALS, named)


async def keep_refusals(connection: Connection, own: Collection[Address], profile_id: UUID) -> int:
    """Turn the refusals of an erased person's addresses into hashes; count the rows.

    An address that is another person's as well stays; one who is about to say it is waited for.
    """
    ordered = sorted(own)
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (ERASURE_LOCK,))
    cursor = await connection.execute(
        _KEEP_REFUSALS,
        {
            "channels": [channel for channel, _ in ordered],
            "values": [value for _, value in ordered],
            "profile_id": profile_id,
            "reason": REFUSED_BEFORE,
        },
    )
    return cursor.rowcount


async def lock(connection: Connection, addresses: Collection[Address]) -> PendingResult[dict[Address, Registers]]:
    """Lock addresses and return their refusals. Requires `ensure`."""
    ordered = sorted(addresses)
    cursor = await connection.execute(
        """
        SELECT channel, value, refusals, said FROM addresses
        WHERE app = '' AND (channel, value) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
        ORDER BY channel, app, value FOR NO KEY UPDATE
        """,
        ([channel for channel, _ in ordered], [value for _, value in ordered]),
    )
    return PendingResult(
        cursor,
        lambda rows: {(row["channel"], row["value"]): Registers(row["refusals"], unpack(row["said"])) for row in rows},
    )


async def lock_of_journey(connection: Connection, journey_id: UUID) -> None:
    """Lock the refusals of a journey's person. Requires the locked profile."""
    await connection.execute(_LOCK_OF_JOURNEY, (journey_id,))


async def lock_of_profiles(connection: Connection, profile_ids: Collection[UUID]) -> None:
    """Lock the refusals of locked profiles' addresses."""
    await connection.execute(_LOCK_OF_PROFILES, (list(profile_ids),))


async def lock_of_message(connection: Connection, message_id: UUID) -> None:
    """Lock the refusals of a message's recipient. Requires the locked profile."""
    await connection.execute(_LOCK_OF_MESSAGE, (message_id,))


async def find_refused(
    connection: Connection, profile_ids: Collection[UUID], named: Collection[Address]
) -> PendingResult[dict[Address, dict[str, str | None]]]:
    """Return the refusals of the addresses of these profiles, and of those named.

    This is a separate statement, so that it sees the profiles as they are locked.
    """
    cursor = await connection.execute(
        """
        SELECT wanted.channel, wanted.value, found.refusals
        FROM (
          SELECT own.key AS channel, own.value
          FROM profiles CROSS JOIN LATERAL jsonb_each_text(profiles.addresses) AS own
          WHERE profiles.id = ANY(%s)
          UNION SELECT * FROM unnest(%s::text[], %s::text[])
        ) AS wanted
        CROSS JOIN LATERAL (
          SELECT refusals FROM addresses
          WHERE channel = wanted.channel AND app = '' AND value = wanted.value AND refusals <> '{}' LIMIT 1
        ) AS found
        """,
        (list(profile_ids), [channel for channel, _ in named], [value for _, value in named]),
    )
    return PendingResult(cursor, lambda rows: {(row["channel"], row["value"]): row["refusals"] for row in rows})


async def write(connection: Connection, refusals: Mapping[Address, Registers]) -> None:
    """Replace the refusals of locked addresses."""
    items: list[dict[str, Any]] = [
        {"channel": channel, "value": value, "refusals": registers.values, "said": pack(registers.stamps)}
        for (channel, value), registers in sorted(refusals.items())
    ]
    await connection.execute(
        """
        UPDATE addresses SET refusals = item.refusals, said = item.said
        FROM jsonb_to_recordset(%s) AS item (channel text, value text, refusals jsonb, said jsonb)
        WHERE addresses.channel = item.channel AND addresses.app = '' AND addresses.value = item.value
        """,
        (Jsonb(items),),
    )


async def note_text(connection: Connection, address: Address, provider: str, at: datetime) -> None:
    """Keep the time of the last text from an address to a provider. Requires `ensure`."""
    await connection.execute(
        """
        UPDATE addresses
        SET wrote = wrote || jsonb_build_object(
          %(provider)s::text, greatest((wrote ->> %(provider)s)::timestamptz, %(at)s::timestamptz))
        WHERE channel = %(channel)s AND app = '' AND value = %(value)s
        """,
        {"channel": address[0], "value": address[1], "provider": provider, "at": at},
    )


async def find_last_text(connection: Connection, address: Address, provider: str) -> datetime | None:
    """Return the time of the last text from an address to a provider, if any."""
    cursor = await connection.execute(
        """
        SELECT (wrote ->> %(provider)s)::timestamptz AS at FROM addresses
        WHERE channel = %(channel)s AND app = '' AND value = %(value)s
        """,
        {"channel": address[0], "value": address[1], "provider": provider},
    )
    row = await cursor.fetchone()
    return None if row is None else row["at"]


_RETURN_REFUSALS = f"""
WITH named AS (
  SELECT channel, value, {_HASH.format("item")} AS hash
  FROM (SELECT channel, '' AS app, value FROM unnest(%s::text[], %s::text[]) AS named (channel, value)) AS item
  WHERE (SELECT EXISTS (SELECT FROM erased_refusals))
), returned AS (
  DELETE FROM erased_refusals USING named WHERE erased_refusals.hash = named.hash
  RETURNING named.channel, named.value, refusals, said
)
UPDATE addresses SET refusals = returned.refusals || addresses.refusals, said = returned.said || addresses.said
FROM returned WHERE addresses.channel = returned.channel AND addresses.app = '' AND addresses.value = returned.value
"""  # noqa: S608 -- a constant of this module
_KEEP_REFUSALS = f"""
WITH own AS (
  SELECT DISTINCT channel, value FROM unnest(%(channels)s::text[], %(values)s::text[]) AS item (channel, value)
), shared AS (
  SELECT own.channel, own.value
  FROM own JOIN profiles ON profiles.addresses @> jsonb_build_object(own.channel, own.value)
  WHERE profiles.id <> %(profile_id)s
), gone AS (
  DELETE FROM addresses USING own
  WHERE addresses.channel = own.channel AND addresses.value = own.value
    AND (own.channel, own.value) NOT IN (SELECT channel, value FROM shared)
  RETURNING addresses.channel, addresses.app, addresses.value, refusals, said
), kept AS (
  INSERT INTO erased_refusals (hash, refusals, said)
  SELECT {_HASH.format("gone")}, (SELECT jsonb_object_agg(key, %(reason)s::text) FROM jsonb_each_text(refusals)
                                  WHERE jsonb_each_text.value IS NOT NULL), said
  FROM gone WHERE EXISTS (SELECT FROM jsonb_each_text(refusals) WHERE jsonb_each_text.value IS NOT NULL)
  ON CONFLICT (hash) DO UPDATE SET refusals = erased_refusals.refusals || excluded.refusals, said = excluded.said
)
SELECT FROM gone
"""  # noqa: S608 -- a constant of this module
_LOCK_ADDRESSES = """
SELECT FROM {source}
CROSS JOIN LATERAL jsonb_each_text(profiles.addresses) AS own
JOIN addresses ON addresses.channel = own.key AND addresses.app = '' AND addresses.value = own.value
WHERE {which} ORDER BY addresses.channel, addresses.app, addresses.value FOR SHARE OF addresses
"""
_LOCK_OF_JOURNEY = _LOCK_ADDRESSES.format(
    source="journeys JOIN profiles ON profiles.id = journeys.profile_id", which="journeys.id = %s"
)
_LOCK_OF_MESSAGE = _LOCK_ADDRESSES.format(
    source="messages JOIN profiles ON profiles.id = messages.profile_id", which="messages.id = %s"
)
_LOCK_OF_PROFILES = _LOCK_ADDRESSES.format(source="profiles", which="profiles.id = ANY(%s)")
