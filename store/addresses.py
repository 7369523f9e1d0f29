"""Addresses, and what they refuse, in whichever profile they stand.

Lock order: identities, profiles, addresses by channel, app and value, journeys, messages. Each kind by its ids, and all
that a transaction needs of a kind at once.
"""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.people.registers import Registers, pack, unpack
from store.database import Connection, PendingResult

# A channel and the normalised address on it.
Address = tuple[str, str]

# The addresses of profiles are looked up one by one: the planner takes a jsonb object for a hundred rows, and would
# read all addresses for as many.
OF_PROFILE = """
SELECT own.key AS channel, found.refusals
FROM jsonb_each_text(profiles.addresses) AS own
CROSS JOIN LATERAL (
  SELECT refusals FROM addresses
  WHERE channel = own.key AND app = '' AND addresses.value = own.value AND refusals <> '{}' LIMIT 1
) AS found
"""
# What the addresses of a profile refuse, by channel. Part of a statement that reads `profiles`.
REFUSED_OF_PROFILE = f"""
COALESCE((SELECT jsonb_object_agg(channel, refusals) FROM ({OF_PROFILE}) AS of_profile), '{{}}')
"""  # noqa: S608 -- a constant of this module


async def ensure(connection: Connection, addresses: Collection[Address]) -> None:
    """Have a row for each address, so that the gate finds one to lock. The caller has locked the profiles."""
    ordered = sorted(addresses)
    await connection.execute(
        """
        INSERT INTO addresses (channel, value)
        SELECT * FROM unnest(%s::text[], %s::text[]) AS item (channel, value) ORDER BY channel, value
        ON CONFLICT DO NOTHING
        """,
        ([channel for channel, _ in ordered], [value for _, value in ordered]),
    )


async def lock(connection: Connection, addresses: Collection[Address]) -> PendingResult[dict[Address, Registers]]:
    """What these addresses refuse, locked until the end of the transaction. The caller has ensured their rows."""
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
    """Hold what the addresses of a journey's person refuse. The caller has locked the profile."""
    await connection.execute(_LOCK_OF_JOURNEY, (journey_id,))


async def lock_of_message(connection: Connection, message_id: UUID) -> None:
    """Hold what the addresses of a message's recipient refuse. The caller has locked the profile."""
    await connection.execute(_LOCK_OF_MESSAGE, (message_id,))


async def find_refused(
    connection: Connection, profile_ids: Collection[UUID], named: Collection[Address]
) -> PendingResult[dict[Address, dict[str, str | None]]]:
    """Which addresses of these profiles, and which of those named, refuse what.

    A statement of its own after the lock of the profiles, so that it sees them as they are locked.
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
    """Replace what addresses refuse; the caller has locked them."""
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


_LOCK_ADDRESSES = """
SELECT FROM {source}
JOIN profiles ON profiles.id = journeys.profile_id
CROSS JOIN LATERAL jsonb_each_text(profiles.addresses) AS own
JOIN addresses ON addresses.channel = own.key AND addresses.app = '' AND addresses.value = own.value
WHERE {which} ORDER BY addresses.channel, addresses.app, addresses.value FOR SHARE OF addresses
"""
_LOCK_OF_JOURNEY = _LOCK_ADDRESSES.format(source="journeys", which="journeys.id = %s")
_LOCK_OF_MESSAGE = _LOCK_ADDRESSES.format(
    source="messages JOIN journeys ON journeys.id = messages.journey_id", which="messages.id = %s"
)
