"""The recipient of a message, and what this person has refused."""

from typing import Any
from uuid import UUID

from msgspec import Struct

from store.addresses import REFUSED_OF_PROFILE
from store.database import Connection


class RecipientRow(Struct, frozen=True):
    """The recipient of a message, its address, and the current refusals.

    `address` is normalised: where the message was handed over, else the person's current address; None on a channel
    without addresses. `refusals` are those of this address, and `refused_addresses` those of the current ones.
    """

    profile_id: UUID
    user_id: str | None
    anonymous_id: str | None
    traits: dict[str, Any]
    context: dict[str, Any]
    consent_given: dict[str, bool]
    suppressed: dict[str, str | None]
    preferences: dict[str, Any]
    said: dict[str, list[list[Any]]]
    refused_addresses: dict[str, dict[str, str | None]]
    channel: str
    category: str
    address: str | None
    current_address: str | None
    refusals: dict[str, str | None]


async def recipient(connection: Connection, message_id: UUID) -> RecipientRow | None:
    """Return the recipient of a message; None if there is no such message."""
    cursor = await connection.execute(
        f"""
        SELECT profiles.id AS profile_id, profiles.user_id, profiles.traits, profiles.context,
               profiles.consent AS consent_given, profiles.suppressed, profiles.preferences, profiles.said,
               {REFUSED_OF_PROFILE} AS refused_addresses, messages.channel, messages.category,
               profiles.addresses ->> messages.channel AS current_address,
               (SELECT min(value) FROM identities
                WHERE identities.profile_id = profiles.id AND kind = 'anonymous') AS anonymous_id,
               reached.address, COALESCE(addresses.refusals, '{{}}') AS refusals
        FROM messages
        JOIN profiles ON profiles.id = messages.profile_id
        CROSS JOIN LATERAL (
          SELECT COALESCE(messages.address, profiles.addresses ->> messages.channel) AS address
        ) AS reached
        LEFT JOIN addresses ON addresses.channel = messages.channel AND app = '' AND value = reached.address
        WHERE messages.id = %s
        """,  # noqa: S608 -- a constant of the store
        (message_id,),
    )
    row = await cursor.fetchone()
    return RecipientRow(**row) if row else None
